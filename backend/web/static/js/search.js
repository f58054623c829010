// The retrieval test of a course: what a question finds, how well it fits, and where it stands.

import { api } from "./api.js";
import { closeEvidence, showEvidence } from "./evidence.js";
import { t } from "./messages.js";

const form = document.getElementById("search");
const status = document.getElementById("search-status");
const results = document.getElementById("results");
let asked = 0;

function resultItem(result) {
  const item = document.getElementById("result").content.cloneNode(true).firstElementChild;
  item.querySelector(".title").textContent = result.title;
  item.querySelector(".score").textContent = t("client.score", { score: result.score.toFixed(3) });
  const page = result.page === null ? "" : t("client.page", { page: result.page });
  item.querySelector(".place").textContent = page && result.heading ? `${page} · ` : page;
  item.querySelector(".heading").textContent = result.heading;
  item.querySelector("blockquote").textContent = result.text;
  const opener = item.querySelector(".open");
  opener.addEventListener("click", () => showEvidence({ ...result, quote: null }, opener));
  return item;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = document.getElementById("query").value.trim();
  if (!query) return;
  const mine = ++asked;
  closeEvidence();
  results.replaceChildren();
  status.className = "muted small";
  status.textContent = t("client.searching");
  try {
    const found = await api("POST", "/api/v1/search", { query, course_id: form.dataset.course, limit: 10 });
    if (mine !== asked) return;
    results.replaceChildren(...found.results.map(resultItem));
    status.textContent = found.results.length
      ? t("client.results", { count: found.results.length, ms: Math.round(found.took_ms) })
      : t("client.no_results");
  } catch (error) {
    if (error.status === undefined) throw error;
    status.className = "error";
    status.textContent = error.message;
  }
});

form.querySelector("button").disabled = false; // from here on somebody listens
