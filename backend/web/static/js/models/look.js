// The upstreams change by themselves: look again every few seconds.

const LOOK_MS = 5000;

function look() {
  if (!document.hidden && !document.querySelector("dialog[open]")) document.dispatchEvent(new CustomEvent("lyceum:refresh"));
}

setInterval(look, LOOK_MS);
document.addEventListener("visibilitychange", look);
