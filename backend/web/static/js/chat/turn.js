// A question and its answer on the page, the same whether it streams or is history. Whatever a model or a document says is
// put in as text, never as markup.

import { sentence } from "../api.js";
import { announce, make } from "../dialogs.js";
import { showEvidence } from "../evidence.js";
import { t } from "../messages.js";

const MARKER = /(\[\d+\])/;
const BEGINNING = 60; // code points of a quote that tell it from others of its document
const SENTENCE_END = /[.!?؟。…](\s|\[|$)/g;

/** Where in its document a citation stands: its page, else how it begins. */
function placeOf({ page, quote, withdrawn }) {
  if (withdrawn) return t("client.withdrawn_short");
  if (page !== null) return t("client.page", { page });
  const points = [...(quote ?? "").replaceAll(/\s+/g, " ").trim()];
  return points.length > BEGINNING ? `${points.slice(0, BEGINNING).join("")}…` : points.join("");
}

export class Turn {
  constructor(question) {
    this.element = document.getElementById("turn").content.cloneNode(true).firstElementChild;
    this.part(".question").textContent = question;
    Object.assign(this, { question, text: "", citations: new Map(), announced: 0, frame: 0 });
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Take an event of the stream. */
  take(event) {
    if (event.type === "status") this.stage(t(`client.stage_${event.stage}`));
    else if (event.type === "citation") this.citations.set(event.citation.marker, event.citation);
    else if (event.type === "delta") {
      this.stage("");
      this.text += event.text;
      this.frame ||= requestAnimationFrame(() => this.draw());
      this.announceSentences();
    } else if (event.type === "problem") this.trouble(sentence(event.problem));
    else if (event.type === "done") this.finish(event.answer);
  }

  /** Show a stored turn. */
  restore({ answer, citations, verdict, degraded, problem, state }) {
    if (problem) this.trouble(sentence(problem));
    else if (state === "stopped") this.trouble(t("client.stopped"));
    this.show(answer, citations, verdict, degraded);
  }

  finish({ answer, citations, verdict, degraded }) {
    this.stage("");
    this.show(answer, citations, verdict, degraded);
    this.announceSentences(true);
    const words = [verdict === "answered" ? "" : t(`verdict.${verdict}`), degraded && citations.length ? t("verdict.degraded") : ""];
    const spoken = words.filter(Boolean).join(" ");
    if (spoken) announce(spoken);
  }

  show(answer, citations, verdict, degraded) {
    this.text = answer;
    this.citations = new Map(citations.map((citation) => [citation.marker, citation]));
    this.draw();
    this.marks(verdict, degraded);
    this.sources();
  }

  stage(text) {
    const stage = this.part(".stage");
    stage.textContent = text;
    stage.hidden = !text;
  }

  /** Say why the answer lacks something, and offer to ask once more. */
  trouble(text) {
    this.stage("");
    const trouble = this.part(".trouble");
    trouble.textContent = text;
    trouble.hidden = false;
    this.part(".ask-again").hidden = false;
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const pieces = this.text.split(MARKER).map((piece) => {
      const citation = MARKER.test(piece) && this.citations.get(Number(piece.slice(1, -1)));
      return citation ? this.chip(citation) : piece;
    });
    this.part(".text").replaceChildren(...pieces);
  }

  chip(citation) {
    const label = t(citation.withdrawn ? "client.source_withdrawn" : "client.source", { marker: citation.marker, title: citation.title });
    const chip = make("button", { type: "button", className: "cite", textContent: citation.marker, title: label });
    chip.setAttribute("aria-label", label);
    chip.classList.toggle("withdrawn", citation.withdrawn ?? false);
    chip.addEventListener("click", () => showEvidence(citation, chip));
    return chip;
  }

  marks(verdict, degraded) {
    const badge = (text, kind, title = "") => make("span", { className: `badge ${kind}`, textContent: text, title });
    const marks = [];
    if (verdict && verdict !== "answered") marks.push(badge(t(`verdict.${verdict}`), "warn"));
    if (degraded && this.citations.size) marks.push(badge(t("verdict.degraded"), "", t("verdict.degraded_hint")));
    this.part(".marks").replaceChildren(...marks);
    this.part(".marks").hidden = !marks.length;
  }

  sources() {
    const items = [...this.citations.values()].map((citation) => {
      const place = make("bdi", {}, placeOf(citation));
      const text = make("span", {}, make("bdi", {}, citation.title), ...(place.textContent ? [" · ", place] : []));
      return make("li", {}, this.chip(citation), " ", text);
    });
    this.part(".sources").replaceChildren(...items);
    this.part(".sources").hidden = !items.length;
  }

  /** Tell a screen reader whole sentences as they come; at the end what is left. */
  announceSentences(all = false) {
    let end = all ? this.text.length : 0;
    for (const found of this.text.matchAll(SENTENCE_END)) end = Math.max(end, found.index + 1);
    if (end <= this.announced) return;
    const spoken = this.text.slice(this.announced, end).replaceAll(/\[\d+\]/g, "").trim();
    this.announced = end;
    if (spoken) announce(spoken);
  }
}
