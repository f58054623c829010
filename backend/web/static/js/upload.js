// Uploading: several files, two at a time, each with its own progress; then the list of documents shows what becomes of them.

import { csrfToken, leaveForSignIn, sentence } from "./api.js";
import { announce, closeMenus, say } from "./dialogs.js";
import { t } from "./messages.js";

const AT_ONCE = 2;
const zone = document.getElementById("upload");
const list = document.getElementById("uploads");
const waiting = [];
let running = 0;

class Upload {
  constructor(file, address, fields) {
    Object.assign(this, { file, address, fields });
    this.item = document.getElementById("upload-item").content.cloneNode(true).firstElementChild;
    this.bar = this.part("progress");
    this.bar.setAttribute("aria-label", t("client.uploading", { name: file.name }));
    this.part(".name").textContent = file.name;
    this.part(".dismiss").addEventListener("click", () => this.dismiss());
    this.part(".retry").addEventListener("click", () => this.enqueue());
    list.append(this.item);
  }

  part(selector) {
    return this.item.querySelector(selector);
  }

  enqueue() {
    this.show("", t("client.upload_waiting"));
    this.part(".retry").hidden = true;
    this.bar.hidden = false;
    waiting.push(this);
    list.hidden = false;
    startNext();
  }

  send() {
    const form = new FormData();
    for (const [name, value] of Object.entries(this.fields)) form.append(name, value);
    form.append("file", this.file);
    const request = (this.request = new XMLHttpRequest());
    request.open("POST", this.address);
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => this.progress(event));
    return new Promise((resolve) => {
      request.addEventListener("loadend", () => {
        this.request = null;
        this.ended(request);
        resolve();
      });
      request.send(form);
    });
  }

  progress({ loaded, total }) {
    const percent = total ? Math.floor((100 * loaded) / total) : 0;
    this.bar.value = percent;
    this.show("", percent < 100 ? t("client.upload_percent", { percent }) : t("client.upload_storing"));
  }

  ended(request) {
    if (this.cancelled) return;
    if (request.status === 401) return leaveForSignIn();
    if (request.status === 202) {
      announce(t("client.uploaded", { name: this.file.name }));
      this.remove();
      document.dispatchEvent(new CustomEvent("lyceum:refresh"));
    } else if (request.status === 200) {
      this.finish("warn", t("client.upload_known"));
    } else {
      this.finish("bad", sentence(decoded(request.responseText), request.status));
      this.part(".retry").hidden = false;
    }
  }

  finish(kind, text) {
    this.bar.hidden = true;
    this.show(kind, text);
    announce(`${this.file.name}: ${text}`);
  }

  show(kind, text) {
    this.item.dataset.kind = kind;
    this.part(".status").textContent = text;
  }

  dismiss() {
    this.cancelled = true;
    const place = waiting.indexOf(this);
    if (place >= 0) waiting.splice(place, 1);
    this.request?.abort();
    this.remove();
  }

  remove() {
    this.item.remove();
    list.hidden = list.childElementCount === 0;
  }
}

const decoded = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page, or nothing at all
  }
};

async function startNext() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  await waiting.shift().send();
  running -= 1;
  startNext();
}

function add(files, address, fields) {
  for (const file of files) {
    const upload = new Upload(file, address, fields);
    if (file.size > Number(zone.dataset.maxBytes)) {
      list.hidden = false;
      upload.finish("bad", t("problem.file-too-large"));
    } else upload.enqueue();
  }
}

if (zone) {
  const addToCourse = (files) => add(files, "/api/v1/documents", { course_id: zone.dataset.course });
  const input = document.getElementById("files");
  input.addEventListener("change", () => {
    addToCourse([...input.files]);
    input.value = "";
  });

  let depth = 0; // dragenter and dragleave come for each element on the way
  const over = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  document.addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    if (items.some((entry) => entry?.isDirectory)) say(t("client.no_folders"));
    addToCourse([...event.dataTransfer.files].filter((_, index) => !items[index]?.isDirectory));
  });

  document.addEventListener("change", (event) => {
    const { replaces } = event.target.dataset ?? {};
    if (!replaces || !event.target.files.length) return;
    closeMenus();
    add([...event.target.files], `/api/v1/documents/${replaces}/versions`, {});
    event.target.value = "";
  });

  addEventListener("beforeunload", (event) => {
    if (running || waiting.length) event.preventDefault();
  });
}
