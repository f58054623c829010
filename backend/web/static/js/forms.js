// Forms that change something. `data-api="POST /api/v1/faculties"` is sent as JSON; what is wrong is shown at its field by
// the problem document's JSON pointers. Then the event `lyceum:done` carries the answer; unless somebody stops it, the page
// goes to `data-then`, or `data-refresh` has the lists on it fetched anew, or the page is loaded again.
//
// Fields: `data-optional` is left out when empty, `data-lines` is a list of words, `data-list` of the ticked boxes,
// `data-place` holds "name:value", `data-json` a number, true or false, or JSON; `data-into="args"` puts it into that object.

import { api } from "./api.js";
import { confirmed, make, say, sayNext } from "./dialogs.js";
import { locale, t } from "./messages.js";

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  try {
    return JSON.parse(field.value || "null");
  } catch {
    return field.value; // whoever reads it says what is wrong with it
  }
}

export function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.matches(":disabled")) continue;
    const { optional, lines, list, place, json, into } = field.dataset;
    if (into !== undefined) {
      const inner = (body[into] ??= {});
      if (field.value === "" && optional !== undefined) continue;
      inner[field.name] = json === undefined ? field.value : valueOf(field);
    } else if (list !== undefined) {
      body[field.name] ??= [];
      if (field.checked) body[field.name].push(field.value);
    } else if (place !== undefined) {
      const [name, value] = field.value.split(":");
      if (value) body[name] = value;
    } else if (json !== undefined) {
      body[field.name] = valueOf(field);
    } else if (lines !== undefined) {
      body[field.name] = field.value.split(/[\s,;،؛]+/).filter(Boolean);
    } else if (field.value !== "" || optional === undefined) {
      body[field.name] = field.value;
    }
  }
  return body;
}

const described = (field) => (field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);

function describe(field, ids) {
  if (ids.length) field.setAttribute("aria-describedby", ids.join(" "));
  else field.removeAttribute("aria-describedby");
}

function clearErrors(form) {
  form.querySelectorAll(".error").forEach((note) => note.remove());
  for (const field of form.elements) {
    field.removeAttribute("aria-invalid");
    describe(field, described(field).filter((id) => !id.endsWith("-error")));
  }
}

/** The field that a problem's pointer is about; of several of one name the first. */
function fieldAt(form, pointer) {
  const [name, inner] = pointer.split("/").slice(1);
  const fields = [...form.elements].filter((field) => field.name && !field.matches(":disabled"));
  const within = fields.find((field) => field.dataset.into === name && field.name === inner);
  return within ?? fields.find((field) => field.dataset.into === undefined && field.name === name) ?? null;
}

export function showError(form, error) {
  const faults = error.problem?.errors ?? [];
  let first = null;
  for (const [index, fault] of faults.entries()) {
    const field = fieldAt(form, fault.pointer);
    if (!field || field.type === "hidden") continue;
    // One fault of a named kind has its sentence in the catalogue; the others are in English.
    const text = locale === "en" ? fault.detail : faults.length === 1 ? error.message : t("client.check_field");
    const note = make("p", { className: "error", textContent: text, dir: "auto" });
    note.id = `${field.id}-${index}-error`;
    field.setAttribute("aria-invalid", "true");
    describe(field, [...described(field), note.id]);
    if (field.type === "checkbox" && field.closest("fieldset")) field.closest("fieldset").append(note);
    else field.after(note);
    first ??= field;
  }
  if (first) return first.focus();
  const note = make("p", { className: "error", textContent: error.message, dir: "auto" });
  note.setAttribute("role", "alert");
  form.append(note);
  note.scrollIntoView({ block: "nearest" });
}

async function submit(form) {
  const [method, path] = form.dataset.api.split(" ");
  const { confirm: question, action, said, then } = form.dataset;
  if (question && !(await confirmed(question, action))) return;
  const buttons = [...form.querySelectorAll("button")];
  const focused = document.activeElement;
  clearErrors(form);
  buttons.forEach((button) => (button.disabled = true));
  try {
    const answer = await api(method, path, method === "DELETE" ? undefined : bodyOf(form));
    const done = new CustomEvent("lyceum:done", { detail: answer, bubbles: true, cancelable: true });
    if (!form.dispatchEvent(done)) return;
    if (form.dataset.refresh !== undefined) {
      document.dispatchEvent(new CustomEvent("lyceum:refresh"));
      if (said) say(said);
      return;
    }
    if (said) sayNext(said);
    if (then) location.assign(then);
    else location.reload();
  } catch (error) {
    if (error.status === undefined) throw error;
    if (form.dataset.refresh !== undefined || !form.offsetParent) say(error.message);
    else showError(form, error);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
    if (document.activeElement === document.body) focused.focus(); // a disabled button lost it
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.api) return;
  event.preventDefault();
  submit(form);
});

// What was begun in a dialog and given up is not there when it is opened again.
document.addEventListener(
  "close",
  (event) => {
    for (const form of event.target.querySelectorAll("form[data-api]")) {
      form.reset();
      clearErrors(form);
    }
  },
  true, // the event does not bubble
);

// A choice that is its own button: `data-submit` sends the form when it changes.
document.addEventListener("change", (event) => {
  if (event.target.dataset?.submit !== undefined) event.target.form.requestSubmit();
});
