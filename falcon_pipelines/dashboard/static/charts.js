// Draws the equity charts: each .chart names the API address of its data in data-source.
"use strict";
(() => {
  const CURRENCY = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
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
    gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"),
    tickfont: { color: colour("muted") }, title: { font: { color: colour("muted"), size: 12 }, standoff: 8 },
    fixedrange: true, ...extra,
  });

  // Years on a log axis, so that equal growth has equal height; weeks on a linear one, where ticks are readable.
  const scale = (values) => (Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 1.5 ? "log" : "linear");

  const draw = (chart, points) => {
    const x = points.map((point) => point.session ?? point.timestamp);
    const equity = points.map((point) => point.equity);
    const benchmark = points.map((point) => point.benchmark);
    const beside = benchmark.some((value) => value !== null);
    const y = axis({ type: scale([...equity, ...benchmark.filter((value) => value !== null)]), tickprefix: "$", nticks: 6, automargin: true });
    y.title.text = y.type === "log" ? "Equity, USD (log)" : "Equity, USD";
    const line = (name, values, style) => ({
      type: "scatter", mode: "lines", x, y: values, name, line: style,
      hovertemplate: `%{y:$,.2f}<extra>${name}</extra>`,
    });
    const traces = [line(chart.dataset.line, equity, { color: colour("accent"), width: 2 })];
    if (beside) traces.unshift(line(chart.dataset.benchmark || "Benchmark", benchmark, { color: colour("benchmark"), width: 1.5, dash: "dash" }));
    chart.replaceChildren();
    Plotly.newPlot(chart, traces, {
      margin: { l: 72, r: 16, t: 8, b: 40 }, showlegend: false, hovermode: "x unified",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text") },
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line"), font: { color: colour("text") } },
      xaxis: axis({ type: "date", dtick: points.length > 10 ? undefined : 86_400_000, title: { text: "Session (New York)", font: { color: colour("muted"), size: 12 } } }),
      yaxis: y,
    }, { displayModeBar: false, responsive: true });
    const last = points[points.length - 1];
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", `Equity from ${CURRENCY.format(equity[0])} to ${CURRENCY.format(last.equity)}`
      + (beside && last.benchmark !== null ? `, benchmark ${CURRENCY.format(last.benchmark)}` : ""));
    chart.dataset.drawn = String(points.length);
  };

  const load = async (chart) => {
    try {
      const answer = await fetch(chart.dataset.source, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const { points } = await answer.json();
      if (points.length < 2) {
        say(chart, points.length ? "One session so far; the curve begins with the second." : "No closes yet.");
        return;
      }
      if (JSON.stringify(drawn.get(chart)) === JSON.stringify(points)) return;
      draw(chart, points);
      drawn.set(chart, points);
    } catch {
      if (!drawn.has(chart)) say(chart, "The chart's data could not be loaded. It is tried again when the page is.");
    }
  };

  const loadAll = (part) => part.querySelectorAll(".chart[data-source]").forEach(load);
  loadAll(document);
  document.addEventListener("falcon:part", (event) => loadAll(event.target));
  document.addEventListener("falcon:theme", () => {
    document.querySelectorAll(".chart[data-source][data-drawn]").forEach((chart) => draw(chart, drawn.get(chart)));
  });
})();
