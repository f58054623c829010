// A job's page follows its events as they come; without the stream the list module still asks every second.

const { job } = document.getElementById("job").dataset;
if (document.querySelector("#job [data-busy]")) {
  const events = new EventSource(`/api/v1/jobs/${job}/events`);
  const refresh = () => {
    document.dispatchEvent(new CustomEvent("lyceum:refresh"));
    if (!document.querySelector("#job [data-busy]")) events.close();
  };
  for (const type of ["started", "progress", "waiting", "queued", "succeeded", "dead", "cancelled"]) {
    events.addEventListener(type, refresh);
  }
  events.addEventListener("error", refresh);
}
