// Lists that change while one looks: an element with `data-live` is fetched again with its page while anything in it is
// `data-busy`. Children with the same `data-key` and `data-stamp` stay as they are, with focus and open menus.

import { request } from "./api.js";
import { announce } from "./dialogs.js";
import { localiseTimes } from "./messages.js";

const FAST_MS = 1000;
const SLOW_MS = 3000;
const FAST_FOR_MS = 60_000;

const CONTROLS = "a, button, summary, input, select";
const keyed = (list) => new Map([...list.querySelectorAll("[data-key]")].map((item) => [item.dataset.key, item]));

class LiveList {
  constructor(list) {
    this.id = list.id;
    this.timer = 0;
    this.busySince = 0;
    this.schedule();
  }

  get list() {
    return document.getElementById(this.id);
  }

  schedule() {
    clearTimeout(this.timer);
    if (!this.list.querySelector("[data-busy]")) {
      this.busySince = 0;
      return;
    }
    this.busySince ||= Date.now();
    const wait = Date.now() - this.busySince < FAST_FOR_MS ? FAST_MS : SLOW_MS;
    this.timer = setTimeout(() => (document.hidden ? this.schedule() : this.refresh()), wait);
  }

  async refresh() {
    clearTimeout(this.timer);
    try {
      const response = await request(location.pathname + location.search, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById(this.id);
      if (fresh) this.merge(fresh);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.timer = setTimeout(() => this.refresh(), SLOW_MS); // the banner tells what is wrong
      return;
    }
    this.schedule();
  }

  merge(fresh) {
    const old = keyed(this.list);
    const inFocus = this.list.contains(document.activeElement) ? document.activeElement.closest("[data-key]") : null;
    const focused = inFocus?.dataset.key;
    const place = inFocus ? [...inFocus.querySelectorAll(CONTROLS)].indexOf(document.activeElement) : -1;
    const items = [...keyed(fresh).entries()].map(([key, item]) => {
      const before = old.get(key);
      if (before?.dataset.stamp === item.dataset.stamp) return before;
      localiseTimes(item);
      if (before && item.dataset.announce && before.dataset.announce !== item.dataset.announce) {
        announce(item.dataset.announce);
      }
      return item;
    });
    const parent = this.list.querySelector("[data-key]")?.parentElement;
    if (!parent || !items.length) {
      localiseTimes(fresh);
      this.list.replaceChildren(...fresh.childNodes);
    } else if (items.some((item, index) => parent.children[index] !== item) || parent.children.length !== items.length) {
      parent.replaceChildren(...items);
    }
    if (focused && !this.list.contains(document.activeElement)) {
      const controls = this.list.querySelectorAll(`[data-key="${CSS.escape(focused)}"] :is(${CONTROLS})`);
      (controls[place] ?? controls[0])?.focus();
    }
  }
}

const lists = [...document.querySelectorAll("[data-live]")].map((list) => new LiveList(list));

document.addEventListener("lyceum:refresh", () => lists.forEach((list) => list.refresh()));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) lists.forEach((list) => list.schedule());
});
