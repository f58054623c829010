// One answer's events, whatever carries them: the WebSocket, else server-sent events, else polling. All carry the same
// numbered events, so that each takes over where the one before broke off.

import { ApiError, api, request } from "../api.js";
import { Socket } from "./socket.js";

const POLL_MS = 1000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const TRIES = 12;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where a reader stands in an answer. `messageId` is known from the first event on. */
class Place {
  constructor(onEvent, messageId = null, after = 0) {
    Object.assign(this, { onEvent, messageId, after, done: false });
  }

  /** Take an event once, in order; one that was seen already is left out. */
  take(event) {
    if (event.seq <= this.after) return;
    this.after = event.seq;
    this.done = event.type === "done";
    this.onEvent(event);
  }
}

export class Tutor {
  socket = new Socket();
  #known = new Set(); // answers that somebody reads already: their events are not a new question's

  /** Ask; `onStart(messageId)`, then events. Resolves when the answer has ended; rejects with ApiError. */
  async ask(question, onStart, onEvent) {
    const place = new Place(onEvent);
    if (await this.socket.ready()) await this.#askSocket(question, place, onStart);
    else await this.#askHttp(question, place, onStart);
    if (!place.done) await this.#finish(place);
  }

  /** Follow an answer that is being given. */
  async follow(messageId, onEvent) {
    this.#known.add(messageId);
    await this.#finish(new Place(onEvent, messageId));
  }

  async stop(messageId) {
    await api("POST", `/api/v1/chat/messages/${messageId}/stop`);
  }

  async #askSocket(question, place, onStart) {
    await this.socket.exchange({ type: "ask", ...question }, (frame) => {
      if (place.messageId === null && frame.message_id && !this.#known.has(frame.message_id)) {
        place.messageId = frame.message_id;
        this.#known.add(frame.message_id);
        onStart(frame.message_id);
      }
      return this.#takeFrame(place, frame);
    });
    if (place.messageId === null) throw new ApiError(null, 0); // closed before the question was acknowledged
  }

  /** Return whether the exchange is over. A problem without a number is not the answer's: the request itself failed. */
  #takeFrame(place, frame) {
    if (frame.message_id !== place.messageId && frame.message_id !== null) return false;
    if (frame.type === "problem" && frame.seq === undefined) {
      if (place.messageId === null) throw new ApiError(frame.problem, frame.problem.status);
      return true;
    }
    place.take(frame);
    return place.done;
  }

  async #askHttp(question, place, onStart) {
    const response = await request("/api/v1/chat", {
      method: "POST",
      headers: { Accept: "text/event-stream", "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    place.messageId = response.headers.get("Location").split("/").at(-2);
    onStart(place.messageId);
    await readStream(response, place).catch(ignoreBreak);
  }

  /** Read on until the end, with longer and longer pauses while nothing can be reached. */
  async #finish(place) {
    let wait = FIRST_WAIT_MS;
    for (let attempt = 0; attempt < TRIES && !place.done; attempt += 1) {
      const before = place.after;
      try {
        await this.#readOn(place, attempt);
      } catch (error) {
        if (error.status === undefined) throw error;
        if (error.status && error.status < 500 && error.status !== 429) throw error;
        if (attempt === TRIES - 1) throw error;
      }
      if (place.after > before) [attempt, wait] = [0, FIRST_WAIT_MS];
      if (!place.done) await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
    if (!place.done) throw new ApiError(null, 0);
  }

  async #readOn(place, attempt) {
    if (attempt < 2 && (await this.socket.ready())) {
      const resume = { type: "resume", message_id: place.messageId, after: place.after };
      return this.socket.exchange(resume, (frame) => this.#takeFrame(place, frame));
    }
    const path = `/api/v1/chat/messages/${place.messageId}/events?after=${place.after}`;
    if (attempt < 4) {
      return readStream(await request(path, { headers: { Accept: "text/event-stream" } }), place).catch(ignoreBreak);
    }
    const page = await api("GET", path);
    page.items.forEach((event) => place.take(event));
    if (!page.done && page.items.length) await pause(POLL_MS);
  }
}

const ignoreBreak = (error) => {
  if (!(error instanceof TypeError) && error.name !== "AbortError") throw error; // the connection broke: read on
};

/** Read a `text/event-stream` (HTML Living Standard): events are separated by an empty line, data may have several lines. */
async function readStream(response, place) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value.replaceAll("\r\n", "\n");
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      if (data.length) place.take(JSON.parse(data.join("\n")));
    }
  }
}
