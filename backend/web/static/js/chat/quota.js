// What is left of the reader's quotas, where some are set: told below the composer, anew after each answer.

import { api } from "../api.js";
import { t, tag } from "../messages.js";

const note = document.getElementById("quota-left");
const course = document.getElementById("course");
const written = new Intl.NumberFormat(tag);

/** The sentence about the quota of which the least part is left; empty where none is set. */
function sentence(quotas) {
  const limits = quotas.flatMap((quota) => [
    { size: quota.tokens, left: quota.tokens_left, tell: (number) => t("client.quota_tokens_left", { number }) },
    { size: quota.requests, left: quota.requests_left, tell: (number) => t("client.quota_requests_left", { number }) },
  ]);
  const part = ({ size, left }) => left / size;
  const [tightest] = limits.filter(({ size }) => size !== null).sort((one, other) => part(one) - part(other));
  if (!tightest) return "";
  return tightest.left ? tightest.tell(written.format(tightest.left)) : t("client.quota_used_up");
}

export async function showQuota() {
  const query = course.value ? `?${new URLSearchParams({ course_id: course.value })}` : "";
  try {
    const { items } = await api("GET", `/api/v1/inference/quotas/remaining${query}`);
    note.textContent = sentence(items);
    note.hidden = !note.textContent;
  } catch (error) {
    if (error.status === undefined) throw error;
    note.hidden = true; // the banner tells what is wrong
  }
}

course.addEventListener("change", showQuota);
showQuota();
