// Secrets of webhooks: shown once, in a dialog, and gone from the page when that is closed.

import { make } from "../dialogs.js";
import { localiseTimes } from "../messages.js";

const dialog = document.getElementById("secret-dialog");
const secret = document.getElementById("secret-value");
const address = document.getElementById("secret-address");

function show({ secret: text, address: where, previous_until: until }) {
  secret.value = text;
  address.value = where ?? "";
  document.getElementById("secret-address-field").hidden = !where;
  document.getElementById("secret-until-hint").hidden = !until;
  document.getElementById("secret-until").replaceChildren(...(until ? [make("time", { dateTime: until }, until)] : []));
  localiseTimes(dialog);
  dialog.showModal();
  secret.select();
}

document.addEventListener("lyceum:done", (event) => {
  if (event.target.dataset.secret === undefined) return;
  event.preventDefault();
  event.target.closest("dialog")?.close();
  show(event.detail);
});

dialog?.addEventListener("close", () => {
  secret.value = address.value = "";
  location.reload();
});
