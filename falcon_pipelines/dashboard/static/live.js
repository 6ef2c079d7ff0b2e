// Keeps an open page fresh: body[data-live] names the tables it shows; parts that changed are replaced.
// Says within seconds when that is not possible, and goes on by itself when it is again.
// Loaded before the scripts that change the page, so that it sees each part as the server sent it.
"use strict";
(() => {
  const watched = document.body.dataset.live.split(" ").filter(Boolean);
  if (watched.length === 0) return;
  const SILENCE = 12_000; // the stream beats every 4 seconds
  const PATIENCE = 8_000; // for a page to be read anew
  const CLOCK = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const label = document.querySelector("[data-live-state]");
  const parts = (root) => [...root.querySelectorAll("[data-part][id]")];
  const served = new Map(); // what the server sent for each part, before scripts changed it
  let fresh = Date.now(); // when the page was last known to be as the database is

  const notice = document.createElement("p");
  notice.className = "stale-notice";
  notice.setAttribute("role", "alert");
  const live = () => {
    label.hidden = false;
    label.dataset.state = "live";
    label.textContent = "Live";
    fresh = Date.now();
    notice.remove();
  };
  const stale = (why, advice = "It goes on by itself.") => {
    label.hidden = false;
    label.dataset.state = "stale";
    label.textContent = "Stale";
    const text = `${why} What you see is of ${CLOCK.format(fresh)} New York time and may be old. ${advice}`;
    if (notice.textContent !== text) notice.textContent = text;
    if (!notice.isConnected) document.getElementById("main").prepend(notice);
  };

  const read = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(PATIENCE) });
    if (answer.redirected && new URL(answer.url).pathname === "/login") return null;
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  parts(document).forEach((part) => served.set(part.id, part.outerHTML));

  // A chart that is drawn stays where it is until there is something else to draw.
  const keepCharts = (shown, next) => {
    for (const fresh of next.querySelectorAll(".chart")) {
      const drawn = [...shown.querySelectorAll(".chart[data-drawn]")]
        .find((chart) => chart.dataset.source === fresh.dataset.source && chart.dataset.prices === fresh.dataset.prices);
      if (!drawn) continue;
      for (const name of Object.keys(drawn.dataset)) if (name !== "drawn" && !(name in fresh.dataset)) delete drawn.dataset[name];
      Object.assign(drawn.dataset, fresh.dataset);
      fresh.replaceWith(drawn);
    }
  };

  // How far tables are scrolled sideways, and which link or button has the focus, stay too.
  const CONTROLS = "a, button, summary, [tabindex]";
  const place = (shown) => {
    const scrolled = [...shown.querySelectorAll(".scroll")].map((table) => table.scrollLeft);
    const controls = [...shown.querySelectorAll(CONTROLS)];
    const focused = controls.indexOf(document.activeElement);
    const looks = document.activeElement?.outerHTML;
    return (next) => {
      next.querySelectorAll(".scroll").forEach((table, index) => { table.scrollLeft = scrolled[index] ?? 0; });
      if (focused < 0) return;
      const fresh = [...next.querySelectorAll(CONTROLS)];
      (fresh.find((control) => control.outerHTML === looks) ?? fresh[focused])?.focus({ preventScroll: true });
    };
  };

  const replace = (page) => {
    for (const part of parts(page)) {
      const html = part.outerHTML;
      const shown = document.getElementById(part.id);
      if (!shown || served.get(part.id) === html) continue;
      if (shown.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
      served.set(part.id, html);
      const next = document.importNode(part, true);
      keepCharts(shown, next);
      const restore = place(shown);
      shown.replaceWith(next);
      next.dispatchEvent(new Event("falcon:part", { bubbles: true }));
      restore(next);
    }
  };

  let running = false;
  let again = false;
  let down = false; // the database, as the stream last told
  const refresh = async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      const page = await read();
      if (page === null) { stale("You are logged out.", "Reload the page to log in."); return; }
      replace(page);
      if (!down) live();
    } catch {
      stale(down ? "The database does not answer." : "The dashboard does not answer.");
    } finally {
      running = false;
      if (again) { again = false; soon(); }
    }
  };
  let timer = null;
  const soon = () => { timer ??= setTimeout(() => { timer = null; refresh(); }, 300); };

  let stream = null;
  let heard = Date.now();
  let missed = false; // something may have happened that the stream did not tell
  const open = () => {
    stream?.close();
    heard = Date.now();
    stream = new EventSource("/live");
    stream.addEventListener("beat", (event) => {
      heard = Date.now();
      const was = down;
      down = event.data === "down";
      if (down) { missed = true; stale("The database does not answer."); }
      else if (was || missed) { missed = false; soon(); }
      else live();
    });
    stream.addEventListener("changes", (event) => {
      heard = Date.now();
      const tables = JSON.parse(event.data);
      if (tables.includes("*") || tables.some((table) => watched.includes(table))) soon();
    });
    stream.addEventListener("error", () => { missed = true; stale("The dashboard does not answer."); });
  };
  open();
  // A browser gives up on a stream for good when it is refused once, and waits for ever on one that is only silent.
  setInterval(() => {
    if (Date.now() - heard < SILENCE) return;
    missed = true;
    stale("The dashboard does not answer.");
    open();
  }, 1_000);
  setInterval(soon, 60_000); // ages grow and prices become stale without any table changing
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { missed = true; open(); } });
})();
