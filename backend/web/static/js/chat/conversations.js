// The list of one's conversations.

import { api } from "../api.js";
import { confirmed, say } from "../dialogs.js";
import { t } from "../messages.js";

const panel = document.getElementById("conversations");
const list = document.getElementById("conversation-list");
const more = document.getElementById("more-conversations");
const opener = document.getElementById("show-conversations");

export class Conversations {
  #cursor = null;
  #current = null;

  /** `onOpen(id)` is called when one is chosen, `onGone(id)` when one was deleted. */
  constructor(onOpen, onGone) {
    Object.assign(this, { onOpen, onGone });
    more.addEventListener("click", () => this.#load(this.#cursor));
    opener.addEventListener("click", () => this.#show(!panel.classList.contains("open")));
    document.getElementById("hide-conversations").addEventListener("click", () => this.#hide());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#hide());
    document.addEventListener("click", (event) => {
      if (!panel.contains(event.target) && !opener.contains(event.target)) this.#show(false);
    });
  }

  async refresh(current = this.#current) {
    this.#current = current;
    await this.#load(null);
  }

  /** Mark the conversation that is open. */
  choose(id) {
    this.#current = id;
    this.#show(false);
    for (const item of list.children) {
      const link = item.querySelector("a");
      if (item.dataset.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  #hide() {
    if (!panel.classList.contains("open")) return;
    this.#show(false);
    opener.focus();
  }

  #show(open) {
    panel.classList.toggle("open", open);
    opener.setAttribute("aria-expanded", String(open));
    if (open) panel.querySelector("button").focus();
  }

  async #load(cursor) {
    const query = new URLSearchParams({ limit: 20, ...(cursor ? { cursor } : {}) });
    const page = await api("GET", `/api/v1/chat/sessions?${query}`);
    const items = page.items.map((session) => this.#item(session));
    if (cursor) list.append(...items);
    else list.replaceChildren(...items);
    this.#cursor = page.next_cursor;
    more.hidden = !page.next_cursor;
    document.getElementById("no-conversations").hidden = list.childElementCount > 0;
  }

  #item({ id, title }) {
    const item = document.getElementById("conversation").content.cloneNode(true).firstElementChild;
    item.dataset.id = id;
    const link = item.querySelector("a");
    link.href = `/chat?session=${id}`;
    link.textContent = link.title = title;
    if (id === this.#current) link.setAttribute("aria-current", "true");
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.onOpen(id);
    });
    const button = item.querySelector(".delete");
    button.querySelector("span").textContent = t("client.delete_conversation", { title });
    button.addEventListener("click", () => this.#delete(id, title));
    return item;
  }

  async #delete(id, title) {
    if (!(await confirmed(t("client.delete_conversation_question", { title }), t("client.delete")))) return;
    try {
      await api("DELETE", `/api/v1/chat/sessions/${id}`);
    } catch (error) {
      if (error.status === undefined) throw error;
      return say(error.message);
    }
    say(t("client.conversation_deleted"));
    await this.refresh(this.#current === id ? null : this.#current);
    this.onGone(id);
  }
}
