// The side panel that shows what a citation rests on: the page with the passage marked, or the text around it where the
// format has no pages. Beside the page on wide windows, over it on narrow ones.

import { api } from "./api.js";
import { make } from "./dialogs.js";
import { markSpan } from "./marks.js";
import { t } from "./messages.js";

const AROUND = 500; // code points of text on either side
const wide = matchMedia("(min-width: 75rem)");
const dialog = document.getElementById("evidence");
const part = (name) => dialog.querySelector(name);

let opener = null;
let reading = new AbortController();

/** Open the panel for a citation or search result; `from` gets the focus back. */
export async function showEvidence(citation, from) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  opener = from;
  fill(citation);
  open();
  if (citation.withdrawn) return tell(t("client.withdrawn"));
  tell(t("client.loading"));
  try {
    const shown = citation.page !== null && (await showPage(citation, signal));
    if (!shown) await showText(citation, signal);
    tell("");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === undefined) throw error;
    tell(error.status === 404 ? t("client.withdrawn") : error.message);
  }
}

function fill({ title, page, quote, document_id, char_start, char_end, withdrawn }) {
  part("#evidence-title").textContent = title;
  part(".place").textContent = page === null ? "" : t("client.page", { page });
  part(".quote").textContent = quote ?? "";
  part(".quote").hidden = !quote;
  part(".sheet").replaceChildren();
  part(".sheet").hidden = part(".context").hidden = true;
  part(".after").hidden = withdrawn ?? false;
  part(".open-document").href =
    page === null
      ? `/documents/${document_id}/passages`
      : `/documents/${document_id}?page=${page}&start=${char_start}&end=${char_end}`;
}

function open() {
  if (!dialog.open) {
    if (wide.matches) dialog.show();
    else dialog.showModal();
  }
  document.documentElement.classList.toggle("beside-evidence", wide.matches);
  dialog.scrollTop = 0;
  part("h2").focus();
}

const tell = (text) => {
  part(".status").textContent = text;
  part(".status").hidden = !text;
};

/** Show the picture of the page; false when this format has none. */
async function showPage(citation, signal) {
  const { document_id: documentId, version, page, char_start: start, char_end: end, title } = citation;
  const source = `/api/v1/documents/${documentId}/pages/${page}/image?version=${version}&width=1200`;
  const image = make("img", { alt: t("client.page_alt", { page, title }), src: source });
  try {
    await image.decode();
  } catch {
    return false;
  }
  if (signal.aborted) throw new DOMException("", "AbortError");
  const sheet = part(".sheet");
  sheet.replaceChildren(image);
  sheet.hidden = false;
  const mark = await markSpan(sheet, { documentId, version, page, start, end }, signal);
  mark?.scrollIntoView({ block: "center" });
  return true;
}

async function showText({ document_id, version, char_start, char_end }, signal) {
  const found = await api("GET", `/api/v1/documents/${document_id}/text?version=${version}`, undefined, { signal });
  const points = [...found.text]; // offsets count code points, not UTF-16 units
  const from = Math.max(0, char_start - AROUND);
  const to = Math.min(points.length, char_end + AROUND);
  const slice = (start, end) => points.slice(start, end).join("");
  const mark = make("mark", {}, slice(char_start, char_end));
  const context = part(".context");
  context.replaceChildren(
    (from > 0 ? "… " : "") + slice(from, char_start),
    mark,
    slice(char_end, to) + (to < points.length ? " …" : ""),
  );
  context.hidden = false;
  part(".quote").hidden = true; // it stands in the text
  mark.scrollIntoView({ block: "center" });
}

export function closeEvidence() {
  if (dialog.open) dialog.close();
}

part(".close").addEventListener("click", closeEvidence);
dialog.addEventListener("close", () => {
  reading.abort();
  document.documentElement.classList.remove("beside-evidence");
  opener?.focus();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeEvidence();
});
