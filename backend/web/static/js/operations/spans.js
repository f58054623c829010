// Lengths of time as the server writes them: at most two units.

import { t } from "../messages.js";

const UNITS = [
  ["days", 86400],
  ["hours", 3600],
  ["minutes", 60],
  ["seconds", 1],
];

export function span(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, length] of UNITS) {
    const number = Math.floor(rest / length);
    rest -= number * length;
    if (number || (!parts.length && unit === "seconds")) parts.push(t(`units.${unit}`, { number }));
    else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}
