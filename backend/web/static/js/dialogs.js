// Dialogs, confirmations, passing words and what a screen reader is told.

import { t } from "./messages.js";

const TOAST_MS = 5000;
const KEPT = "lyceum:said";

/** Make an element: `make("p", {className: "error"}, "text", child)`. Text stays text. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Tell a screen reader without moving anything. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.append(make("p", { textContent: text }));
  while (region.childElementCount > 12) region.firstElementChild.remove();
}

/** Show words for a moment and tell a screen reader. */
export function say(text) {
  document.querySelector(".toast")?.remove();
  const toast = make("p", { className: "toast", textContent: text, dir: "auto" });
  document.body.append(toast);
  announce(text);
  setTimeout(() => toast.remove(), TOAST_MS);
}

/** Show words after the page that comes next has loaded. */
export const sayNext = (text) => sessionStorage.setItem(KEPT, text);

export function sayKept() {
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (text) say(text);
}

/** Ask; resolves to whether the answer was yes. */
export function confirmed(question, action) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("[value=yes]").textContent = action || t("client.yes");
  dialog.returnValue = "";
  dialog.showModal();
  dialog.querySelector("[value=no]").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    closeMenus();
    document.getElementById(opener.dataset.dialog).showModal();
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    const field = document.getElementById(copier.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value).then(
      () => say(t("client.copied")),
      () => field.focus(), // selected already: the keyboard copies it
    );
  }
});

/** Menus close like menus: by Escape, and by anything that happens elsewhere. */
export function closeMenus(except = null) {
  for (const menu of document.querySelectorAll(".disclosure[open]")) {
    if (menu !== except) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target.closest(".disclosure")));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" ? event.target.closest(".disclosure[open]") : null;
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
