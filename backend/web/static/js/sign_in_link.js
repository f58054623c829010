// The token of a one-time link stands behind `#`, where no server and no log sees it. It goes into the form, and out of the
// address bar and the history.

const field = document.querySelector("#link-form [name=token]");
if (field) {
  if (location.hash.length > 1) field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const complete = field.value !== "";
  document.getElementById("no-token").hidden = complete;
  field.form.hidden = !complete;
}
