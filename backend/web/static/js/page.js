// What every page does.

import "./forms.js";
import "./live.js";
import { leaveForSignIn } from "./api.js";
import { sayKept } from "./dialogs.js";
import { localiseTimes, t } from "./messages.js";

localiseTimes(document);
sayKept();

const menuButton = document.querySelector(".menu-button");
menuButton?.addEventListener("click", () => {
  menuButton.setAttribute("aria-expanded", String(menuButton.getAttribute("aria-expanded") !== "true"));
});

const banner = document.getElementById("banner");
function showReachable(state) {
  banner.hidden = state === "online";
  if (state !== "online") banner.textContent = t(`client.${state}`);
}
document.addEventListener("lyceum:reachable", (event) => showReachable(event.detail));
addEventListener("offline", () => showReachable("offline"));
addEventListener("online", () => showReachable("online"));

// htmx fetches more of a list (`hx-get`); an answer that is the sign-in page means that the session has ended.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL).pathname === "/sign-in") {
    event.detail.shouldSwap = false;
    leaveForSignIn();
  }
});
document.addEventListener("htmx:sendError", () => showReachable("offline"));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 503) showReachable("unavailable");
});
document.addEventListener("htmx:afterSettle", (event) => {
  showReachable("online");
  localiseTimes(event.detail.elt.parentElement ?? document);
});

// Pages are never cached, but the back button may show one from memory, as it was before a change.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
