// Keeps an open page fresh: body[data-live] names the tables it shows; parts that changed are replaced.
// Loaded before the scripts that change the page, so that it sees each part as the server sent it.
"use strict";
(() => {
  const watched = document.body.dataset.live.split(" ").filter(Boolean);
  if (watched.length === 0) return;
  const label = document.querySelector("[data-live-state]");
  const say = (state, text) => { label.hidden = false; label.dataset.state = state; label.textContent = text; };
  const parts = (root) => [...root.querySelectorAll("[data-part][id]")];
  const served = new Map(); // what the server sent for each part, before scripts changed it

  const read = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  parts(document).forEach((part) => served.set(part.id, part.outerHTML));

  let running = false;
  let again = false;
  const refresh = async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      const page = await read();
      for (const fresh of parts(page)) {
        const html = fresh.outerHTML;
        const stale = document.getElementById(fresh.id);
        if (!stale || served.get(fresh.id) === html) continue;
        served.set(fresh.id, html);
        if (stale.contains(document.activeElement) && document.activeElement.matches("input, select")) continue;
        const part = document.importNode(fresh, true);
        stale.replaceWith(part);
        part.dispatchEvent(new Event("falcon:part", { bubbles: true }));
      }
      say("live", "Live");
    } catch {
      say("stale", "Stale: no answer");
    } finally {
      running = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  };

  let timer = null;
  const soon = () => { timer ??= setTimeout(() => { timer = null; refresh(); }, 300); };
  const stream = new EventSource("/live");
  let lost = false;
  stream.addEventListener("open", () => { say("live", "Live"); if (lost) { lost = false; soon(); } });
  stream.addEventListener("error", () => { lost = true; say("stale", "Stale: reconnecting"); });
  stream.addEventListener("changes", (event) => {
    const tables = JSON.parse(event.data);
    if (tables.includes("*") || tables.some((table) => watched.includes(table))) soon();
  });
  setInterval(soon, 60_000); // ages grow and prices become stale without any table changing
  addEventListener("pagehide", () => stream.close());
})();
