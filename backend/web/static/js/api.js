// Calling the API as the page's reader: the cookie says who, the CSRF token that it is our page.

import { has, locale, t } from "./messages.js";

export const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** What went wrong with a call. `problem` is the problem document, null when there was no answer; `status` is then 0. */
export class ApiError extends Error {
  constructor(problem, status, retryAfterSeconds = 0) {
    super(sentence(problem, status));
    Object.assign(this, { problem, status, retryAfterSeconds });
  }
}

/** The sentence for a problem in the page's language: problem documents speak English, so elsewhere by their type. */
export function sentence(problem, status = problem?.status ?? 0) {
  const slug = problem?.type?.split("/").at(-1);
  if (locale === "en" && problem?.detail) return problem.detail;
  if (slug && has(`problem.${slug}`)) return t(`problem.${slug}`);
  if (status === 0) return t("client.offline");
  if (status === 503) return t("client.unavailable");
  if (status === 404) return t("client.gone");
  return t(status >= 500 ? "client.failed" : "client.refused");
}

/** Tell the banner whether the last call found the server. */
const noteReachable = (state) => document.dispatchEvent(new CustomEvent("lyceum:reachable", { detail: state }));

/** Like `fetch`, with the page's headers; an answer that says "sign in" leads there. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "X-CSRF-Token": csrfToken(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    noteReachable("offline");
    throw new ApiError(null, 0);
  }
  noteReachable(response.status === 503 ? "unavailable" : "online");
  if (response.status === 401 || new URL(response.url).pathname === "/sign-in") leaveForSignIn();
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Call the API with JSON; resolves to the decoded answer, null for none. */
export async function api(method, path, body, options = {}) {
  const headers = { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const response = await request(path, { method, headers, body: body && JSON.stringify(body), ...options });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

export async function problemOf(response) {
  const problem = await response.json().catch(() => null);
  return new ApiError(problem, response.status, Number(response.headers.get("Retry-After")) || 0);
}

export function leaveForSignIn() {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}
