// Live updates: one stream of server-sent events a page, polling where that does not work.
//
// Each message becomes an event `live:<kind>` of the body; htmx attributes and our modules listen to it. While the
// page is hidden the stream is closed, since browsers allow a host only six connections over all tabs.

const POLL_MS = 5000;
const FAILURES_BEFORE_POLLING = 2;
const KINDS = ["frames", "project", "machines", "farm", "reload"];

let tellOpened;
export const opened = new Promise((resolve) => { tellOpened = resolve; }); // the stream stands: nothing is missed now

export function follow(address) {
  let source = null;
  let failures = 0;
  let before = false;
  let poll = 0;

  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => {
      if (before) tell("reload"); // something may have happened while nobody listened
      before = true;
      tellOpened();
      failures = 0;
      clearInterval(poll);
      poll = 0;
    };
    source.onerror = () => {
      failures += 1;
      const refused = source.readyState === EventSource.CLOSED; // an answer that is no stream: it does not try again
      if (refused) close();
      if ((refused || failures >= FAILURES_BEFORE_POLLING) && !poll) poll = setInterval(pollOnce, POLL_MS);
    };
    for (const kind of KINDS) source.addEventListener(kind, (message) => tell(kind, message.data));
  };
  const close = () => { source?.close(); source = null; };
  const pollOnce = () => {
    if (document.hidden) return;
    tell("poll");
    open();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  window.addEventListener("pagehide", close);
  open();
}

function tell(kind, data = "") {
  const detail = data ? JSON.parse(data) : {};
  document.body.dispatchEvent(new CustomEvent(`live:${kind}`, { detail }));
  if (kind === "reload") document.body.dispatchEvent(new CustomEvent("live:poll", { detail }));
}
