// What a page tells over time: charts of one history, and, where the page has a table for it, the same in numbers.

/* global uPlot */
import { api } from "../api.js";
import { t, tag } from "../messages.js";
import { span } from "./spans.js";

const REFRESH_MS = 15_000;
const HEIGHT = 210;
const ROUND_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800];
const DASHES = [undefined, [7, 4], [2, 3]];

const box = document.getElementById("charts");
const { hours, source } = box.dataset;
const clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(tag, { weekday: "short", day: "numeric" });
const full = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
const plots = [];
let history = null;

const compact = new Intl.NumberFormat(tag, { notation: "compact", maximumFractionDigits: 1 });
const WRITTEN = {
  seconds: span,
  milliseconds: (value) => t("units.milliseconds", { number: Math.round(value * 1000) }),
  tokens: (value) => compact.format(value),
  count: (value) => String(Math.round(value * 100) / 100),
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const at = (format) => (value) => format.format(new Date(value * 1000));

/** Single values between gaps, which no line shows. */
const alone = (values) =>
  values.flatMap((value, index) =>
    value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null ? [index] : [],
  );

function axis(values) {
  const grid = { stroke: colour("--line"), width: 1 };
  return { stroke: colour("--ink-soft"), grid, ticks: grid, values: (_, splits) => splits.map(values) };
}

function options(element) {
  const { unit } = element.dataset;
  const write = WRITTEN[unit];
  const least = unit === "milliseconds" ? 0.001 : 1;
  const series = JSON.parse(element.dataset.series).map(({ name, label }, index) => {
    const stroke = colour(`--chart-${name}`);
    const points = { show: true, size: 5, fill: stroke, filter: (plot, which) => alone(plot.data[which]) };
    const value = (_, shown) => (shown === null || shown === undefined ? "–" : write(shown));
    return { label, stroke, width: 2, dash: DASHES[index], points, value };
  });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    scales: { y: { range: (_, lowest, most) => [0, Math.max(least, most * 1.1)] } },
    axes: [axis(at(Number(hours) > 24 ? day : clock)), { ...axis(write), size: unit === "milliseconds" ? 78 : 64, ...(unit === "seconds" ? { incrs: ROUND_SECONDS } : {}) }],
    series: [{ label: "", value: (_, shown) => (shown ? at(full)(shown) : "") }, ...series],
    cursor: { drag: { x: false, y: false } },
  };
}

const columns = (element) => [history.at, ...JSON.parse(element.dataset.series).map(({ name }) => history[name])];

function draw() {
  for (const { plot } of plots.splice(0)) plot.destroy();
  for (const element of box.querySelectorAll(".chart")) {
    plots.push({ element, plot: new uPlot(options(element), columns(element), element) });
  }
}

function writeNumbers() {
  for (const row of box.querySelectorAll("tr[data-series]")) {
    const values = history[row.dataset.series].filter((value) => value !== null);
    if (!values.length) continue;
    const write = WRITTEN[row.dataset.series.endsWith("seconds") ? "seconds" : "count"];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const numbers = [values.at(-1), Math.min(...values), mean, Math.max(...values)];
    [...row.querySelectorAll("td")].forEach((cell, index) => (cell.textContent = write(numbers[index])));
  }
}

async function refresh() {
  if (document.hidden) return;
  try {
    history = await api("GET", source);
  } catch (error) {
    if (error.status === undefined) throw error;
    return; // the banner tells what is wrong
  }
  writeNumbers();
  if (plots.length) for (const { element, plot } of plots) plot.setData(columns(element));
  else draw();
}

new ResizeObserver(() => {
  for (const { element, plot } of plots) {
    if (plot.width !== element.clientWidth) plot.setSize({ width: element.clientWidth, height: HEIGHT });
  }
}).observe(box);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => history && draw());
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, REFRESH_MS);
refresh();
