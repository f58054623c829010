// Forms about people that show an answer instead of loading the page again.

import { api } from "./api.js";
import { make, sayNext } from "./dialogs.js";
import { showError } from "./forms.js";
import { localiseTimes, t } from "./messages.js";

const SUGGESTIONS = 8;
const FINDS_FROM_CHARACTERS = 3;

// A new person's page comes next: that is where rights and the sign-in link are.
document.getElementById("new-person-form")?.addEventListener("lyceum:done", (event) => {
  event.preventDefault();
  sayNext(event.target.dataset.said);
  location.assign(`/admin/people/${event.detail.id}`);
});

document.getElementById("make-link")?.addEventListener("lyceum:done", (event) => {
  event.preventDefault();
  const dialog = document.getElementById("link-dialog");
  const field = document.getElementById("link-url");
  field.value = event.detail.url;
  const until = make("time", { dateTime: event.detail.expires_at }, event.detail.expires_at);
  document.getElementById("link-until").replaceChildren(until);
  localiseTimes(dialog);
  dialog.showModal();
  field.select();
  dialog.addEventListener("close", () => (field.value = ""), { once: true }); // shown once
});

document.getElementById("enrol")?.addEventListener("lyceum:done", (event) => {
  event.preventDefault();
  const { items } = event.detail;
  const enrolled = items.filter((item) => item.status === "enrolled");
  if (enrolled.length === items.length) {
    sayNext(t("client.enrolled", { count: enrolled.length }));
    location.reload();
    return;
  }
  const rows = items.map(({ email, status }) =>
    make("li", {}, make("bdi", {}, email), " – ", t(`client.enrol_${status.replace("-", "_")}`)),
  );
  document.getElementById("enrol-answers").replaceChildren(
    make("p", { className: "notice warn" }, t("client.enrolled", { count: enrolled.length })),
    make("ul", {}, ...rows),
  );
  document.getElementById("emails").value = items.filter((item) => item.status === "unknown").map((item) => item.email).join("\n");
});

// Somebody teaches by a grant on the course; the API takes the person's id, people know the address.
const addTeacher = document.getElementById("add-teacher");
if (addTeacher) {
  const field = addTeacher.elements.email;
  const choices = document.getElementById("teacher-choices");
  const people = async (text) => (await api("GET", `/api/v1/users/lookup?${new URLSearchParams({ q: text })}`)).items;
  let timer = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (field.value.length < FINDS_FROM_CHARACTERS) return;
      const found = (await people(field.value)).slice(0, SUGGESTIONS);
      choices.replaceChildren(...found.map((person) => make("option", { value: person.email }, person.display_name)));
    }, 250);
  });
  addTeacher.addEventListener("submit", async (event) => {
    event.preventDefault();
    addTeacher.querySelectorAll(".error").forEach((note) => note.remove());
    try {
      const wanted = field.value.trim().toLowerCase();
      const person = (await people(wanted)).find((found) => found.email.toLowerCase() === wanted);
      if (!person) return showError(addTeacher, Object.assign(new Error(t("client.nobody")), { status: 404 }));
      const { course, said } = addTeacher.dataset;
      await api("POST", `/api/v1/users/${person.id}/grants`, { role: addTeacher.elements.role.value, course_id: course });
      sayNext(said);
      location.reload();
    } catch (error) {
      if (error.status === undefined) throw error;
      showError(addTeacher, error);
    }
  });
}
