// The form of a schedule: its next times while one types, and the arguments of the kind that is chosen.

import { api } from "../api.js";
import { make } from "../dialogs.js";
import { t, wallTime } from "../messages.js";

const PAUSE_MS = 250;

function follow(form) {
  const { cron, timezone, kind, missed, max_missed: most } = form.elements;
  const output = form.querySelector("output");
  let timer = 0;
  let asked = 0;

  function show(...children) {
    output.replaceChildren(...children);
  }

  async function look() {
    const mine = ++asked;
    if (!cron.value.trim() || !timezone.value.trim()) return show();
    try {
      const query = new URLSearchParams({ cron: cron.value, timezone: timezone.value });
      const { items } = await api("GET", `/api/v1/ops/schedules/times?${query}`);
      if (mine !== asked) return;
      const times = items.map((time) => make("li", {}, make("time", { dateTime: time, textContent: wallTime(time) })));
      show(t("client.next_times"), make("ol", {}, ...times));
    } catch (error) {
      if (error.status === undefined) throw error;
      if (mine === asked) show(make("span", { className: "wrong", textContent: error.message, dir: "auto" }));
    }
  }

  function showChosen() {
    for (const fields of form.querySelectorAll("[data-kind]")) {
      fields.hidden = fields.disabled = fields.dataset.kind !== kind.value;
    }
    most.disabled = form.querySelector("[data-for-all]").hidden = missed.value !== "all";
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  }

  if (form.dataset.new !== undefined) {
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if ([...timezone.list.options].some((option) => option.value === here)) timezone.defaultValue = here;
  }
  cron.addEventListener("input", wait);
  timezone.addEventListener("input", wait);
  kind.addEventListener("change", showChosen);
  missed.addEventListener("change", showChosen);
  // A form that is given up is reset after this event.
  form.addEventListener("reset", () => setTimeout(() => [showChosen(), look()]));
  showChosen();
  look();
}

document.querySelectorAll("form[data-schedule]").forEach(follow);
