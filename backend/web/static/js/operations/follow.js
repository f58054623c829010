// Lists of the operations pages follow the figures of the queues as they come, and ask by themselves without the stream.

const ALONE_MS = 3000;

const exact = document.querySelector('[data-follow="figures"]') !== null;
const events = new EventSource("/api/v1/ops/queues/figures");
let last = "";

function refresh() {
  if (!document.hidden) document.dispatchEvent(new CustomEvent("lyceum:refresh"));
}

/** What a list shows: `figures` all of it, `counts` only what changes when a job does. */
function seen(data) {
  if (exact) return data;
  const counts = JSON.parse(data).queues.map((row) => [
    row.depth,
    row.in_flight,
    row.in_per_minute,
    row.out_per_minute,
    row.paused_at,
    row.workers,
  ]);
  return JSON.stringify(counts);
}

events.addEventListener("figures", (event) => {
  const now = seen(event.data);
  if (last && now !== last) refresh();
  last = now;
});
events.addEventListener("problem", () => {
  events.close();
  refresh(); // the page itself says what is wrong
});
events.addEventListener("error", () => {
  if (events.readyState === EventSource.CLOSED) setInterval(refresh, ALONE_MS);
  else refresh();
});
document.addEventListener("visibilitychange", refresh);
