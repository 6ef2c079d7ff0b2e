// Draws the price of one ticker as candles: with the entry range, stop and target of a pick or a position as lines, and
// a mark at each bar that an order was filled in.
"use strict";
(() => {
  const USD = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
  const drawn = new WeakMap();

  const say = (chart, message) => {
    const state = document.createElement("p");
    state.className = "chart-state";
    state.textContent = message;
    chart.replaceChildren(state);
  };

  const axis = (extra) => ({
    gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"), fixedrange: true,
    tickfont: { color: colour("muted") }, ...extra,
  });

  const draw = (chart, { candles }) => {
    const levels = chart.dataset;
    const x = candles.map((candle) => candle.session);
    const at = candles.find((candle) => candle.session === levels.session);
    // A split since the pick changed what a share is; the levels are put into today's shares.
    const scale = at ? at.close / Number(levels.close) : 1;
    const level = (name) => (levels[name] === undefined ? null : Number(levels[name]) * scale);
    // A fill of today has no day bar yet: its own price stands for it.
    const barOf = (fill) => candles.find((candle) => candle.session === fill.session)
      ?? (fill.session > x[x.length - 1] ? { low: fill.price, high: fill.price } : null);
    const fills = JSON.parse(levels.fills ?? "[]").map((fill) => ({ ...fill, candle: barOf(fill) }))
      .filter((fill) => fill.candle);
    // Room to the right of the newest bar, so that the levels of a fresh pick can be seen.
    const ahead = new Date(Date.parse(x[x.length - 1]) + Math.max(10, x.length / 8) * 86_400_000).toISOString().slice(0, 10);
    const from = at ? levels.session : x[0];
    const all = [...candles.map((candle) => candle.low), ...candles.map((candle) => candle.high), level("stop"), level("target")]
      .filter((price) => price > 0);
    const range = [Math.log10(Math.min(...all) * 0.98), Math.log10(Math.max(...all) * 1.02)];
    const line = (name, tone) => (level(name) === null ? [] : [{
      type: "line", x0: from, x1: ahead, y0: level(name), y1: level(name), line: { color: colour(tone), width: 1.5, dash: "dash" },
    }]);
    const picked = level("entryLow") === null ? [] : [
      { type: "rect", x0: from, x1: ahead, y0: level("entryLow"), y1: level("entryHigh"), fillcolor: colour("accent"), opacity: 0.2, line: { width: 0 } },
      { type: "line", x0: from, x1: from, y0: 0, y1: 1, yref: "paper", line: { color: colour("muted"), width: 1, dash: "dot" } },
    ];
    const title = (text) => ({ text, font: { color: colour("muted"), size: 12 }, standoff: 8 });
    chart.replaceChildren();
    Plotly.newPlot(chart, [{
      type: "candlestick", x, name: "Price",
      ...Object.fromEntries(["open", "high", "low", "close"].map((field) => [field, candles.map((candle) => candle[field])])),
      increasing: { line: { color: colour("gain"), width: 1 } }, decreasing: { line: { color: colour("loss"), width: 1 } },
    }, {
      type: "scatter", mode: "markers", name: "Fills", x: fills.map((fill) => fill.session),
      y: fills.map((fill) => (fill.side === "buy" ? fill.candle.low * 0.985 : fill.candle.high * 1.015)),
      text: fills.map((fill) => `${fill.side} ${fill.shares}`), hovertemplate: "%{text}<extra></extra>",
      marker: { symbol: fills.map((fill) => (fill.side === "buy" ? "triangle-up" : "triangle-down")), size: 11, color: colour("accent") },
    }], {
      margin: { l: 72, r: 16, t: 8, b: 40 }, showlegend: false, hovermode: "x",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text") },
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line"), font: { color: colour("text") } },
      xaxis: axis({ type: "date", range: [x[0], ahead], rangeslider: { visible: false }, rangebreaks: [{ bounds: ["sat", "mon"] }], title: title("Session (New York)") }),
      yaxis: axis({ type: "log", range, tickprefix: "$", nticks: 6, title: title("Price, USD (log)") }),
      shapes: [...picked, ...line("stop", "loss"), ...line("target", "gain")],
    }, { displayModeBar: false, responsive: true });
    const last = candles[candles.length - 1];
    chart.setAttribute("role", "img");
    const entry = level("entryLow") === null ? [] : [`entry ${USD.format(level("entryLow"))} to ${USD.format(level("entryHigh"))}`];
    const exits = ["stop", "target"].filter((name) => level(name) !== null).map((name) => `${name} ${USD.format(level(name))}`);
    chart.setAttribute("aria-label", [`${candles.length} sessions to ${last.session}, last close ${USD.format(last.close)}`,
      [...entry, ...exits].join(", ")].filter(Boolean).join("; ")
      + (fills.length ? `; ${fills.length} of its fills are marked` : "")
      + (Math.abs(scale - 1) > 0.001 ? "; adjusted for what happened to the share since" : ""));
    chart.dataset.drawn = String(candles.length);
  };

  const load = async (chart) => {
    try {
      const answer = await fetch(chart.dataset.prices, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      if (found.candles.length === 0) { say(chart, "No bars are kept for this chart."); return; }
      draw(chart, found);
      drawn.set(chart, found);
    } catch {
      if (!drawn.has(chart)) say(chart, "The chart's data could not be loaded. It is tried again when the page is.");
    }
  };

  const loadAll = (part) => part.querySelectorAll(".chart[data-prices]").forEach(load);
  loadAll(document);
  document.addEventListener("falcon:part", (event) => loadAll(event.target));
  document.addEventListener("falcon:theme", () => {
    document.querySelectorAll(".chart[data-prices][data-drawn]").forEach((chart) => draw(chart, drawn.get(chart)));
  });
})();
