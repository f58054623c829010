// The page viewer: marks the stretch in the address (`start`, `end`), and turns pages with the arrow keys.

import { markSpan } from "./marks.js";

const sheet = document.getElementById("sheet");
const image = sheet.querySelector("img");
const query = new URLSearchParams(location.search);
const [start, end] = ["start", "end"].map((name) => Number(query.get(name)));

const settled = () => sheet.classList.add("settled");
if (image.complete) settled();
image.addEventListener("load", settled);
image.addEventListener("error", settled);

if (end > start) {
  const span = { documentId: sheet.dataset.document, page: sheet.dataset.page, start, end };
  markSpan(sheet, span).then(
    (mark) => image.decode().then(() => mark?.scrollIntoView({ block: "center" }), () => {}),
    (error) => {
      if (error.status === undefined) throw error; // without marks it is still the page
    },
  );
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, dialog")) return;
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const backward = document.documentElement.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
  if (event.key === forward) document.getElementById("next-page")?.click();
  if (event.key === backward) document.getElementById("previous-page")?.click();
});
