// Tables marked data-table sort by their headers and page; data-table="tools" also filter and export what they show.
"use strict";
(() => {
  const PAGE = 50;
  const FEW = 4; // rows that need no filter
  const kept = new Map(); // state of each table by id, so that it survives a live refresh

  const seen = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".sr-only").forEach((hidden) => hidden.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const number = (text) => {
    const plain = text.replace(/\u2212/g, "-").replace(/[,%\s\u00a0+]/g, "");
    return plain === "" || Number.isNaN(Number(plain)) ? null : Number(plain);
  };

  const compare = (column, numeric, direction) => (a, b) => {
    const [x, y] = [a, b].map((row) => seen(row.cells[column]));
    const [p, q] = numeric ? [number(x), number(y)] : [x === "—" ? null : x, y === "—" ? null : y];
    if (p === null || q === null) return (p === null) - (q === null); // missing ones last, either way
    return direction * (numeric ? p - q : p.localeCompare(q));
  };

  const csvCell = (text, numeric) => {
    const value = numeric && number(text) !== null ? text.replace(/\u2212/g, "-").replace(/[,\s\u00a0]/g, "") : text;
    const safe = !(numeric && number(text) !== null) && /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/.test(value) ? `'${value}` : value;
    return `"${(safe === "—" ? "" : safe).replace(/"/g, '""')}"`;
  };

  const enhance = (table) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const headers = [...table.tHead.rows[0].cells];
    const state = kept.get(table.id) ?? { column: null, direction: 1, filter: "", page: 0 };
    kept.set(table.id, state);
    const tools = document.createElement("div");
    tools.className = "table-tools";

    const rows = () => {
      const words = state.filter.toLowerCase();
      const found = original.filter((row) => row.textContent.toLowerCase().includes(words));
      return state.column === null ? found
        : found.sort(compare(state.column, headers[state.column].classList.contains("num"), state.direction));
    };
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const [previous, next] = ["Previous", "Next"].map((name, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => { state.page += index ? 1 : -1; show(); });
      return button;
    });
    const show = () => {
      const found = rows();
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      state.page = Math.min(Math.max(state.page, 0), pages - 1);
      body.replaceChildren(...found.slice(state.page * PAGE, (state.page + 1) * PAGE));
      previous.hidden = next.hidden = pages === 1;
      previous.disabled = state.page === 0;
      next.disabled = state.page === pages - 1;
      status.textContent = found.length === original.length && pages === 1 ? ""
        : `${found.length ? state.page * PAGE + 1 : 0}–${Math.min((state.page + 1) * PAGE, found.length)} of ${found.length}`;
      headers.forEach((header, column) => {
        if (column === state.column) header.setAttribute("aria-sort", state.direction > 0 ? "ascending" : "descending");
        else header.removeAttribute("aria-sort");
      });
    };

    if (original.length > 1) {
      headers.forEach((header, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "sort";
        button.append(...header.childNodes);
        header.append(button);
        button.addEventListener("click", () => {
          const first = header.classList.contains("num") ? -1 : 1; // numbers: largest first
          if (state.column !== column) Object.assign(state, { column, direction: first });
          else if (state.direction === first) state.direction = -first;
          else Object.assign(state, { column: null, direction: 1 });
          state.page = 0;
          show();
        });
      });
    }
    if (table.dataset.table === "tools" && original.length > FEW) {
      const filter = document.createElement("input");
      filter.type = "search";
      filter.placeholder = "Filter";
      filter.setAttribute("aria-label", "Filter these rows");
      filter.value = state.filter;
      filter.addEventListener("input", () => { state.filter = filter.value; state.page = 0; show(); });
      const csv = document.createElement("button");
      csv.type = "button";
      csv.className = "export";
      csv.textContent = "CSV";
      csv.addEventListener("click", () => {
        const numeric = headers.map((header) => header.classList.contains("num"));
        const lines = [headers.map((header) => csvCell(seen(header), false)),
          ...rows().map((row) => [...row.cells].map((cell, column) => csvCell(seen(cell), numeric[column])))];
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([`${lines.map((line) => line.join(",")).join("\r\n")}\r\n`], { type: "text/csv" }));
        link.download = `${table.id.replace(/-table$/, "")}.csv`;
        link.click();
        URL.revokeObjectURL(link.href);
      });
      tools.append(filter, status, previous, next, csv);
      table.parentElement.before(tools);
    } else if (original.length > PAGE) {
      tools.append(status, previous, next);
      table.parentElement.before(tools);
    }
    show();
  };

  const enhanceAll = (part) => part.querySelectorAll("table[data-table]").forEach(enhance);
  enhanceAll(document);
  document.addEventListener("falcon:part", (event) => enhanceAll(event.target));
})();
