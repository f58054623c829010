// Where a stretch of text stands on the picture of its page.

import { api } from "./api.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 0.003;

/** Lay marks over the picture in `sheet`; resolves to the first one, null when nothing is known of the place. */
export async function markSpan(sheet, { documentId, version, page, start, end }, signal) {
  const query = new URLSearchParams({ char_start: start, char_end: end, ...(version ? { version } : {}) });
  const { boxes } = await api("GET", `/api/v1/documents/${documentId}/pages/${page}/boxes?${query}`, undefined, { signal });
  if (!boxes.length) return null;
  const layer = document.createElementNS(SVG, "svg");
  layer.setAttribute("viewBox", "0 0 1 1");
  layer.setAttribute("preserveAspectRatio", "none");
  layer.setAttribute("class", "page-marks");
  layer.setAttribute("aria-hidden", "true");
  for (const box of boxes) {
    const mark = document.createElementNS(SVG, "rect");
    mark.setAttribute("x", box.left - MARGIN);
    mark.setAttribute("y", box.top - MARGIN);
    mark.setAttribute("width", box.right - box.left + 2 * MARGIN);
    mark.setAttribute("height", box.bottom - box.top + 2 * MARGIN);
    layer.append(mark);
  }
  sheet.append(layer);
  return layer.firstElementChild;
}
