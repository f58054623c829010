// The WebSocket to the tutor: opened with a single-use ticket when it is needed, watched for silence, opened anew after it
// was closed. Where it cannot be opened, a proxy in between for instance, it says so and others carry the events.

import { api } from "../api.js";

const OPEN_MS = 5000;
const SILENCE_MS = 50_000; // the server speaks every 20 s
const REFUSED_FOR_MS = 60_000;

export class Socket {
  #socket = null;
  #opening = null;
  #exchanges = new Set();
  #refusedAt = -Infinity;
  #silence = 0;

  /** Tell whether the socket is open, opening it first. */
  async ready() {
    if (this.#socket) return true;
    if (performance.now() - this.#refusedAt < REFUSED_FOR_MS) return false;
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  /** Send a frame and give every frame that comes to `take` until it returns true, throws, or the socket is closed. */
  exchange(frame, take) {
    return new Promise((resolve, reject) => {
      const exchange = {
        take: (received) => {
          try {
            if (take(received)) end(resolve);
          } catch (error) {
            end(reject, error);
          }
        },
        closed: () => end(resolve),
      };
      const end = (settle, value) => {
        this.#exchanges.delete(exchange);
        settle(value);
      };
      this.#exchanges.add(exchange);
      if (this.#socket) this.#socket.send(JSON.stringify(frame));
      else exchange.closed();
    });
  }

  async #open() {
    try {
      const { ticket } = await api("POST", "/api/v1/auth/ws-ticket");
      this.#socket = await opened(ticket);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#refusedAt = performance.now();
      return false;
    }
    this.#socket.onmessage = (message) => this.#receive(JSON.parse(message.data));
    this.#socket.onclose = () => this.#closed();
    this.#listen();
    return true;
  }

  #receive(frame) {
    this.#listen();
    if (frame.type === "heartbeat") return;
    for (const exchange of [...this.#exchanges]) exchange.take(frame);
  }

  /** A connection that is silent for longer than the heartbeat is dead, whatever the browser thinks. */
  #listen() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      socket.close();
      if (this.#socket === socket) this.#closed();
    }, SILENCE_MS);
  }

  #closed() {
    clearTimeout(this.#silence);
    this.#socket = null;
    for (const exchange of [...this.#exchanges]) exchange.closed();
  }
}

function opened(ticket) {
  const address = new URL("/api/v1/chat/ws", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  return new Promise((resolve, reject) => {
    const refuse = () => {
      socket.onclose = socket.onmessage = null;
      socket.close();
      reject(Object.assign(new Error("no socket"), { status: 0 }));
    };
    const timer = setTimeout(refuse, OPEN_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token: ticket }));
    socket.onerror = socket.onclose = () => {
      clearTimeout(timer);
      refuse();
    };
    socket.onmessage = () => {
      clearTimeout(timer);
      socket.onerror = null;
      resolve(socket);
    };
  });
}
