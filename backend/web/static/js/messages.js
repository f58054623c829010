// The page's words for what modules show. The server puts them into the page, so that there is one catalogue.

const block = document.getElementById("messages");
const messages = block ? JSON.parse(block.textContent) : {};

export const locale = document.documentElement.lang;
/** For numbers and dates: Western digits in both languages, as everywhere else on the pages. */
export const tag = locale === "ar" ? "ar-u-nu-latn" : "en-GB";
const plural = new Intl.PluralRules(locale);

/** The message `key` with its `{values}`; one with plural forms needs `count`. Text is isolated to keep its direction. */
export function t(key, values = {}) {
  let message = messages[key];
  if (message === undefined) throw new Error(`no message ${key}`);
  if (typeof message !== "string") message = message[plural.select(values.count)] ?? message.other;
  return message.replace(/\{(\w+)\}/g, (_, name) =>
    typeof values[name] === "string" ? `\u2068${values[name]}\u2069` : String(values[name]),
  );
}

export const has = (key) => key in messages;

const DAY = { day: "numeric", month: locale === "ar" ? "long" : "short", year: "numeric" };
const moments = new Intl.DateTimeFormat(tag, { ...DAY, hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(tag, { ...DAY, timeZone: "UTC" });
const weekdays = new Intl.DateTimeFormat(tag, { ...DAY, weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

/** A moment as clocks there show it: `text` is ISO 8601 with the offset of that place, which is then left out. */
export const wallTime = (text) => weekdays.format(new Date(`${text.slice(0, 19)}Z`));

/** Write the times below `root` in the reader's language and zone. */
export function localiseTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-done])")) {
    const moment = new Date(element.dateTime);
    const isDay = element.dateTime.length === 10;
    element.title = element.textContent;
    element.textContent = (isDay ? days : moments).format(moment);
    element.dataset.done = "";
  }
}
