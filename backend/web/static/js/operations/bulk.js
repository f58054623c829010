// The same act on many jobs: chosen one by one, or all that fit the filter. What would happen is shown before it does.

import { api, sentence } from "../api.js";
import { make, say } from "../dialogs.js";
import { has, t } from "../messages.js";

const dialog = document.getElementById("bulk");
const preview = document.getElementById("bulk-preview");
const confirm = document.getElementById("bulk-confirm");
const priority = document.getElementById("bulk-priority");
const bar = document.getElementById("bulk-bar");
const chosen = new Set();
let act = null;
let asked = 0;

const boxes = () => [...document.querySelectorAll('input[name="job"]')];
const fitting = () => document.getElementById("choose-fitting")?.checked ?? false;
const kindName = (kind) => (has(`job_kind.${kind}`) ? t(`job_kind.${kind}`) : kind);

/** Show what is chosen; rows that the live list has put in anew get their tick back. */
function showChosen() {
  if (!bar) return;
  for (const box of boxes()) {
    box.checked = fitting() || chosen.has(box.value);
    box.disabled = fitting();
  }
  document.getElementById("choose-all").checked = boxes().length > 0 && boxes().every((box) => box.checked);
  document.getElementById("choose-all").disabled = fitting();
  document.getElementById("chosen").textContent = fitting() ? "" : t("client.bulk_chosen", { count: chosen.size });
  for (const button of bar.querySelectorAll("[data-bulk]")) button.disabled = !fitting() && !chosen.size;
}

if (bar) {
  document.addEventListener("change", (event) => {
    if (event.target.name === "job") chosen[event.target.checked ? "add" : "delete"](event.target.value);
    else if (event.target.id === "choose-all") {
      for (const box of boxes()) chosen[event.target.checked ? "add" : "delete"](box.value);
    } else if (event.target.id !== "choose-fitting") return;
    showChosen();
  });
  new MutationObserver(showChosen).observe(document.getElementById("jobs"), { childList: true, subtree: true });
  showChosen();
}

/** What the button is about: its own group of failed jobs, or what is chosen. */
function target(button) {
  const { kind, error } = button.dataset;
  if (kind) return { filter: { state: "dead", kind, error_type: error } };
  return fitting() ? { filter: JSON.parse(bar.dataset.filter) } : { ids: [...chosen] };
}

const body = (isPreview) => ({
  ...act,
  preview: isPreview,
  ...(act.action === "priority" ? { priority: Number(priority.value) } : {}),
});

function refusals(outcome) {
  return outcome.refused.map((refusal) =>
    make("li", {}, `${t("client.bulk_refused", { count: refusal.count })} ${sentence(refusal)}`),
  );
}

function sampleLine(job) {
  const link = make("a", { href: `/jobs/${job.id}` }, kindName(job.kind));
  const error = job.error ? [" ", make("code", { dir: "ltr", textContent: job.error.type })] : [];
  return make("li", {}, link, ` ${t(`job_state.${job.state}`)}`, ...error);
}

function showPreview(outcome) {
  const more = outcome.done - outcome.samples.length;
  preview.replaceChildren(
    make("p", {}, make("strong", { textContent: t(`client.bulk_will_${act.action}`, { count: outcome.matched - refusedCount(outcome) }) })),
    make("ul", { className: "samples" }, ...outcome.samples.map(sampleLine)),
    ...(more > 0 ? [make("p", { className: "muted", textContent: t("client.bulk_more", { count: more }) })] : []),
    make("ul", { className: "refused" }, ...refusals(outcome)),
  );
  confirm.disabled = outcome.done === 0;
}

const refusedCount = (outcome) => outcome.refused.reduce((sum, refusal) => sum + refusal.count, 0);

function showFailure(error) {
  if (error.status === undefined) throw error;
  confirm.disabled = true;
  preview.replaceChildren(make("p", { className: "error", textContent: error.message, dir: "auto" }));
}

async function look() {
  const mine = ++asked;
  confirm.disabled = true;
  preview.replaceChildren(make("p", { className: "muted", textContent: t("client.loading") }));
  try {
    const outcome = await api("POST", "/api/v1/jobs/bulk", body(true));
    if (mine === asked) showPreview(outcome);
  } catch (error) {
    if (mine === asked) showFailure(error);
  }
}

/** Add up what calls after one another did. */
function sum(before, outcome) {
  const refused = [...before.refused];
  for (const refusal of outcome.refused) {
    const same = refused.findIndex(({ type, detail }) => type === refusal.type && detail === refusal.detail);
    if (same < 0) refused.push(refusal);
    else refused[same] = { ...refusal, count: refused[same].count + refusal.count };
  }
  return { done: before.done + outcome.done, refused };
}

function showProgress(outcome, total) {
  const looked = outcome.done + refusedCount(outcome);
  preview.replaceChildren(
    make("p", {}, t("client.bulk_progress", { looked, total })),
    make("progress", { max: total, value: looked, ariaLabel: t(`client.bulk_${act.action}`) }),
  );
}

/** A call does a thousand, and the next one goes on behind them; to close the dialog stops that. */
async function perform() {
  confirm.disabled = true;
  let outcome = { done: 0, refused: [] };
  let total;
  let after = null;
  try {
    do {
      const step = await api("POST", "/api/v1/jobs/bulk", { ...body(false), after });
      outcome = sum(outcome, step);
      total ??= step.matched;
      after = step.next_after;
      if (after) showProgress(outcome, total);
    } while (after && dialog.open);
  } catch (error) {
    return showFailure(error);
  }
  chosen.clear();
  const all = document.getElementById("choose-fitting");
  if (all) all.checked = false;
  showChosen();
  document.dispatchEvent(new CustomEvent("lyceum:refresh"));
  say(t("client.bulk_done", { count: outcome.done }));
  if (!outcome.refused.length) return dialog.close();
  preview.replaceChildren(
    make("p", {}, make("strong", { textContent: t("client.bulk_done", { count: outcome.done }) })),
    make("ul", { className: "refused" }, ...refusals(outcome)),
  );
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-bulk]");
  if (!button) return;
  act = { action: button.dataset.bulk, ...target(button) };
  document.getElementById("bulk-title").textContent = t(`client.bulk_${act.action}`);
  document.getElementById("bulk-priority-field").hidden = act.action !== "priority";
  confirm.textContent = t(`client.bulk_${act.action}`);
  confirm.className = ["discard", "cancel"].includes(act.action) ? "danger" : "";
  dialog.showModal();
  look();
});
priority?.addEventListener("change", look);
document.getElementById("bulk-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!confirm.disabled) perform();
});
