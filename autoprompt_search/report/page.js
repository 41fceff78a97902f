"use strict";
(() => {
  const store = document.getElementById("trial-data");
  document.querySelectorAll("button[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      const done = () => { button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy prompt"; }, 1500); };
      const byHand = () => {
        const area = document.createElement("textarea");
        area.value = text; document.body.append(area); area.select();
        if (document.execCommand("copy")) done();
        area.remove();
      };
      if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(done, byHand); else byHand();
    });
  });
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".scroll > table:not(.matrix)").forEach(fold);
  if (!store) return;
  const data = JSON.parse(store.textContent), trials = data.trials;
  const node = (name, text, attributes) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    return made;
  };
  const fixed = (value, digits) => value === undefined || value === null ? "–" : value.toFixed(digits).replace("-", "−");
  const colour = (kind) => `var(--kind-${data.kinds.indexOf(kind) % 4})`;
  const words = { complete: "complete", pruned: "stopped early", failed: "failed" };
  const setting = (t) => data.params.map((name, i) => [name, t.p[i]]).filter(([, v]) => v !== null && v !== "none");
  const line = (t) => setting(t).map(([name, v]) => `${name}=${v}`).join(", ");
  const columns = [
    ["Trial", (t) => t.n], ["Kind", (t) => t.k], ["State", (t) => words[t.s]], ["Dev score", (t) => t.y],
    ["±", (t) => t.e], ["Examples", (t) => t.x], ["Tokens", (t) => t.w], ["Passes", (t) => t.q], ["Parameters", line],
  ];
  let sorted = [3, -1], shown = 20, wanted = trials;

  function fold(table) {  // on a narrow screen every row becomes a list of its cells, each under its heading
    const heads = table.tHead ? [...table.tHead.rows[0].cells].map((cell) => cell.textContent) : [];
    if (heads.length < 4) return;
    table.classList.add("folded");
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => { if (cell.tagName === "TD" && cell.colSpan === 1 && heads[i]) cell.dataset.h = heads[i]; });
  }
  function sortable(table) {
    table.querySelectorAll("thead th").forEach((head, place) => {
      head.tabIndex = 0;
      const turn = () => {
        const down = head.getAttribute("aria-sort") === "descending";
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "ascending" : "descending");
        const value = (row) => { const cell = row.cells[place], n = parseFloat(cell.dataset.v ?? cell.textContent); return isNaN(n) ? cell.textContent : n; };
        const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b)) * (down ? 1 : -1));
        table.tBodies[0].append(...rows);
      };
      head.addEventListener("click", turn);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") turn(); });
    });
  }
  function compare(a, b) {
    if (a === b) return 0;
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b));
  }

  const box = document.getElementById("trial-table");
  const form = node("div", null, { class: "filters" });
  const find = node("input", null, { type: "search", placeholder: "Find in parameters and prompts", "aria-label": "Find" });
  const pick = (title, values, name) => {
    const made = node("select", null, { "aria-label": title });
    made.append(node("option", title, { value: "" }), ...values.map((v) => node("option", name(v), { value: v })));
    return made;
  };
  const kind = pick("All kinds", data.kinds, (v) => v);
  const state = pick("All states", ["complete", "pruned", "failed"].filter((s) => trials.some((t) => t.s === s)), (v) => words[v]);
  const tally = node("span", "", { class: "of", role: "status" });
  form.append(find, kind, state, tally);
  const table = node("table"), head = node("tr"), body = node("tbody");
  columns.forEach(([title], place) => {
    const cell = node("th", title, { scope: "col", tabindex: "0", class: place > 2 && place < 8 || place === 0 ? "n" : "" });
    const turn = () => { sorted = [place, sorted[0] === place ? -sorted[1] : place > 2 && place < 8 ? -1 : 1]; update(); };
    cell.addEventListener("click", turn);
    cell.addEventListener("keydown", (event) => { if (event.key === "Enter") turn(); });
    head.append(cell);
  });
  const thead = node("thead"); thead.append(head); table.append(thead, body);
  const scroll = node("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": "All trials" });
  scroll.append(table);
  const more = node("button", "", { type: "button" });
  more.addEventListener("click", () => { shown += 200; update(); });
  box.append(form, scroll, more);
  [find, kind, state].forEach((input) => input.addEventListener("input", () => { shown = 20; update(); }));

  function settings(t) {
    const cell = node("td", null, { class: "params" });
    setting(t).forEach(([name, value], i) => {
      const text = `${name}=${value}`;
      if (i) cell.append(", ");
      cell.append(text.length <= 40 ? node("span", text, { class: "whole" }) : text);
    });
    return cell;
  }
  function row(t) {
    const made = node("tr", null, { class: t.n === data.chosen ? "chosen" : "" });
    const first = node("th", null, { scope: "row", class: "trial n" });
    const open = node("button", `#${t.n}`, { type: "button", class: "plain", "aria-expanded": "false", title: "Show its prompt" });
    first.append(open);
    const score = node("td", fixed(t.y, 3), { class: "n score" });
    made.append(first, node("td", t.k), node("td", words[t.s]), score, node("td", fixed(t.e, 3), { class: "n" }),
      node("td", t.x ?? "–", { class: "n" }), node("td", fixed(t.w, 1), { class: "n" }), node("td", t.q.toLocaleString("en"), { class: "n" }),
      settings(t));
    open.addEventListener("click", () => {
      if (made.nextSibling && made.nextSibling.dataset && made.nextSibling.dataset.of === String(t.n)) {
        made.nextSibling.remove(); open.setAttribute("aria-expanded", "false"); return;
      }
      const under = node("tr", null, { "data-of": t.n }), cell = node("td", null, { colspan: columns.length });
      if (t.r) cell.append(node("p", t.r));
      cell.append(node("pre", data.texts[t.t] || "No prompt was measured."));
      under.append(cell); made.after(under); open.setAttribute("aria-expanded", "true");
    });
    return made;
  }
  function update() {
    const query = find.value.trim().toLowerCase();
    wanted = trials.filter((t) => (!kind.value || t.k === kind.value) && (!state.value || t.s === state.value) &&
      (!query || `#${t.n} ${line(t)} ${t.r || ""} ${data.texts[t.t]}`.toLowerCase().includes(query)));
    const [place, way] = sorted, value = columns[place][1];
    const rows = [...wanted].sort((a, b) => {
      const one = value(a), other = value(b);
      if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
      if (place === 3 && a.f !== b.f) return a.f ? -1 : 1;  // scores on fewer examples stand below those on all of them
      return compare(one, other) * way || a.n - b.n;
    });
    [...head.cells].forEach((cell, i) => i === place ? cell.setAttribute("aria-sort", way > 0 ? "ascending" : "descending") : cell.removeAttribute("aria-sort"));
    body.replaceChildren(...rows.slice(0, shown).map(row));
    fold(table);
    tally.textContent = `${wanted.length.toLocaleString("en")} of ${trials.length.toLocaleString("en")} trials`;
    more.hidden = rows.length <= shown;
    more.textContent = `Show more (${(rows.length - shown).toLocaleString("en")} left)`;
    parallel();
  }

  const SVG = "http://www.w3.org/2000/svg";
  const shape = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const canvas = (width, height, label) => shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const put = (id, drawing) => document.getElementById(id).replaceChildren(drawing);
  const short = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  const span = (values) => { let low = Math.min(...values), high = Math.max(...values); if (low === high) { low -= 0.5; high += 0.5; } return [low, high]; };

  function axes() {
    const made = data.varying.slice(0, 7).map((name) => {
      const i = data.params.indexOf(name), values = trials.map((t) => t.p[i]), present = values.filter((v) => v !== null);
      const numbers = trials.map((t) => t.v[i]).filter((v) => v !== null);
      if (numbers.length === present.length && numbers.length) {
        const [low, high] = span(numbers), log = low > 0 && high / low >= 20;
        const scale = (v) => log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
        return { name, ticks: [[low, 0], [high, 1]].map(([v, at]) => [String(+v.toPrecision(3)), at]), at: (t) => t.v[i] === null ? null : scale(t.v[i]) };
      }
      const levels = [...new Set(present)].sort();
      const place = (v) => levels.length < 2 ? 0.5 : levels.indexOf(v) / (levels.length - 1);
      const named = levels.length > 12 ? [levels[0], levels[levels.length - 1]] : levels;
      return { name, ticks: named.map((v) => [short(v, 14), place(v)]), at: (t) => t.p[i] === null ? null : place(t.p[i]) };
    });
    const scores = trials.filter((t) => t.y !== undefined).map((t) => t.y), [low, high] = span(scores.length ? scores : [0, 1]);
    made.push({ name: "dev score", ticks: [[fixed(low, 3), 0], [fixed(high, 3), 1]], at: (t) => (t.y - low) / (high - low) });
    return made;
  }
  function parallel() {
    const lines = axes(), W = Math.max(640, lines.length * 120), H = 300, top = 34, foot = 14, left = 60, right = 60;
    const drawing = canvas(W, H, "Every trial as a line through its parameters and its score");
    const x = (i) => left + i * (W - left - right) / Math.max(1, lines.length - 1), y = (v) => H - foot - v * (H - top - foot);
    const inside = new Set(wanted.map((t) => t.n));
    const drawn = trials.filter((t) => t.y !== undefined && (inside.has(t.n) || wanted.length === trials.length));
    drawn.sort((a, b) => (a.n === data.chosen) - (b.n === data.chosen));
    for (const t of drawn) {
      const isBest = t.n === data.chosen;
      let path = "", pen = false;
      lines.forEach((axis, i) => {
        const at = axis.at(t);
        if (at === null) { pen = false; return; }
        path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(at).toFixed(1)}`; pen = true;
      });
      const made = shape("path", { d: path, fill: "none", stroke: isBest ? "var(--accent)" : colour(t.k), "stroke-width": isBest ? 3 : 1, opacity: isBest ? 1 : t.f ? 0.55 : 0.22 });
      made.append(shape("title", {}, `trial ${t.n}, ${fixed(t.y, 3)} on ${t.x}`));
      drawing.append(made);
    }
    lines.forEach((axis, i) => {
      drawing.append(shape("line", { x1: x(i), x2: x(i), y1: y(0), y2: y(1), stroke: "var(--muted)" }));
      const name = shape("text", { x: x(i), y: 14, "text-anchor": "middle", fill: "var(--ink)", "font-size": 12 }, short(axis.name, 17));
      name.append(shape("title", {}, axis.name)); drawing.append(name);
      axis.ticks.forEach(([text, at]) => drawing.append(shape("text", { x: x(i) + 5, y: y(at) + (at > 0.5 ? -3 : 11), fill: "var(--muted)", "font-size": 10.5 }, text)));
    });
    put("parallel", drawing);
  }
  function timeline() {
    const timed = trials.filter((t) => t.d).sort((a, b) => a.d[0] - b.d[0]), lanes = [];
    if (!timed.length) { document.getElementById("timeline-figure").hidden = true; return; }
    const end = Math.max(...timed.map((t) => t.d[1]), 0.1);
    for (const t of timed) {
      let lane = lanes.findIndex((until) => until <= t.d[0] + 0.01);
      if (lane < 0) lane = lanes.push(0) - 1;
      lanes[lane] = t.d[1]; t.lane = lane;
    }
    const step = Math.min(18, 500 / lanes.length), H = 30 + lanes.length * step, W = 800, x = (s) => 8 + s / end * (W - 16);
    const drawing = canvas(W, H, "When each trial ran, in as many rows as ran side by side");
    for (const t of timed) {
      const bar = shape("rect", { x: x(t.d[0]).toFixed(1), y: 4 + t.lane * step, width: Math.max(1.5, x(t.d[1]) - x(t.d[0]) - 1).toFixed(1), height: step * 0.72, rx: 2, fill: t.n === data.chosen ? "var(--accent)" : colour(t.k), opacity: t.s === "complete" ? 1 : 0.5 });
      bar.append(shape("title", {}, `trial ${t.n} (${t.k}, ${words[t.s]}): ${fixed(t.d[1] - t.d[0], 1)} s`));
      drawing.append(bar);
    }
    [0, 0.25, 0.5, 0.75, 1].forEach((part) => drawing.append(shape("text", { x: x(end * part), y: H - 6, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle", fill: "var(--muted)", "font-size": 11 }, `${Math.round(end * part)} s`)));
    put("timeline", drawing);
  }
  function training() {
    const soft = trials.filter((t) => t.c && t.c.some((point) => point[0] > 0)), frame = document.getElementById("training-figure");
    if (!soft.length) { frame.hidden = true; return; }
    const hasLoss = soft.some((t) => t.c.some((p) => p[2] !== null)), W = 800, H = 250, panels = hasLoss ? 2 : 1;
    const drawing = canvas(W, H, "Dev score and loss of every soft prompt by steps of training"), width = (W - 60 * panels) / panels;
    const steps = Math.max(...soft.flatMap((t) => t.c.map((p) => p[0])));
    for (let panel = 0; panel < panels; panel++) {
      const values = soft.flatMap((t) => t.c.map((p) => p[1 + panel])).filter((v) => v !== null), [low, high] = span(values);
      const x = (s) => 50 + panel * (width + 60) + s / steps * width, y = (v) => 220 - (v - low) / (high - low) * 190;
      drawing.append(shape("text", { x: x(0), y: 16, fill: "var(--ink)", "font-size": 12 }, panel ? "loss on dev" : "dev score"));
      [low, high].forEach((v) => drawing.append(shape("text", { x: x(0) - 6, y: y(v) + 4, "text-anchor": "end", fill: "var(--muted)", "font-size": 11 }, fixed(v, 2)), shape("line", { x1: x(0), x2: x(steps), y1: y(v), y2: y(v), stroke: "var(--rule)" })));
      drawing.append(shape("text", { x: x(steps), y: 240, "text-anchor": "end", fill: "var(--muted)", "font-size": 11 }, `${steps} steps`));
      for (const t of [...soft].sort((a, b) => (a.n === data.chosen) - (b.n === data.chosen))) {
        const points = t.c.filter((p) => p[1 + panel] !== null), isBest = t.n === data.chosen, pen = isBest ? "var(--accent)" : colour(t.k);
        if (!points.length) continue;
        const path = points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1 + panel]).toFixed(1)}`).join("");
        const made = shape("path", { d: path, fill: "none", stroke: pen, "stroke-width": isBest ? 2.6 : 1, opacity: isBest ? 1 : 0.6 });
        const last = points[points.length - 1], dot = shape("circle", { cx: x(last[0]), cy: y(last[1 + panel]), r: isBest ? 4 : 2.5, fill: t.s === "complete" ? pen : "var(--paper)", stroke: pen });
        [made, dot].forEach((one) => { one.append(shape("title", {}, `trial ${t.n}: ${fixed(last[1 + panel], 3)} after ${last[0]} steps`)); drawing.append(one); });
      }
    }
    put("training", drawing);
  }
  update(); timeline(); training();
})();
