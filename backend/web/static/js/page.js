// Forms and buttons that change something. A form with `data-api="POST /api/v1/faculties"` is sent as JSON with the page's
// CSRF token; what is wrong is shown at its field by the problem document's JSON pointers. On success the page goes to
// `data-then` (default: it is loaded again), or the event `lyceum:done` with the answer stops it from doing so.

export const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** Call the API; resolves to the decoded answer, rejects with an Error that carries the problem document. */
export async function api(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      "X-CSRF-Token": csrfToken(),
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) {
    throw Object.assign(new Error(answer?.detail ?? response.statusText), { problem: answer, status: response.status });
  }
  return answer;
}

const filled = (form) => {
  const body = {};
  for (const [name, value] of new FormData(form)) {
    const field = form.elements[name];
    if (value === "" && field?.dataset?.optional !== undefined) continue;
    body[name] = field?.dataset?.lines !== undefined ? value.split(/\s+/).filter(Boolean) : value;
  }
  return body;
};

const clearErrors = (form) => {
  for (const note of form.querySelectorAll(".error")) note.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
};

function showError(form, error) {
  let placed = false;
  for (const fault of error.problem?.errors ?? []) {
    const name = fault.pointer.split("/")[1];
    const field = name && form.elements[name];
    if (!field) continue;
    const note = Object.assign(document.createElement("p"), { className: "error", textContent: fault.detail, dir: "auto" });
    note.id = `${form.id || "form"}-${name}-error`;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", note.id);
    field.after(note);
    placed = true;
  }
  if (placed) return form.querySelector("[aria-invalid]").focus();
  const note = Object.assign(document.createElement("p"), { className: "error", textContent: error.message, dir: "auto" });
  note.setAttribute("role", "alert");
  form.append(note);
}

async function submit(form) {
  const [method, path] = form.dataset.api.split(" ");
  const question = form.dataset.confirm;
  if (question && !confirm(question)) return;
  const buttons = form.querySelectorAll("button");
  clearErrors(form);
  buttons.forEach((button) => (button.disabled = true));
  try {
    const body = method === "DELETE" ? undefined : filled(form);
    const answer = await api(method, path, body);
    const done = new CustomEvent("lyceum:done", { detail: answer, bubbles: true, cancelable: true });
    if (!form.dispatchEvent(done)) return;
    if (form.dataset.then) location.assign(form.dataset.then);
    else location.reload();
  } catch (error) {
    showError(form, error);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.api) return;
  event.preventDefault();
  submit(form);
});
