// Costs over time: sliders, a picture and the choice, which `choosing.js` makes. Without this a table stands there.
(() => {
  const home = document.getElementById("costs-explorer");
  if (!home) return;
  const data = advisorChoice.read(JSON.parse(document.getElementById("costs-data").textContent));
  const { rows, now } = data;
  const make = advisorElement;
  const draw = (into, name, attributes, text = "") => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    if (text) found.textContent = text;
    into.append(found);
    return found;
  };
  const code = (i) => make("code", "", rows[i].spec, { dir: "auto" });
  const names = (places) => places.flatMap((i, at) =>
    at ? [at === places.length - 1 ? " and " : ", ", code(i)] : [code(i)]);

  // Figures, as the rest of the report has them.
  const digits = (value, most = 3) => Number(value.toPrecision(most)).toLocaleString("en-US", { maximumFractionDigits: 6 });
  const usd = (value) => {
    if (value === null) return "unknown";
    if (value === 0) return "$0";
    if (value < 1e-4) return "<$0.0001";
    if (value >= 100) return `$${Math.round(value).toLocaleString("en-US")}`;
    const two = Number(value.toPrecision(2));
    return two >= 0.1 ? `$${value.toFixed(2)}` : `$${two.toFixed(1 - Math.floor(Math.log10(two)))}`;
  };
  const days = (value) => (value < 1 ? `${digits(24 * value)} hours` : `${(Math.round(10 * value) / 10).toLocaleString("en")} day${value === 1 ? "" : "s"}`);

  // The sliders: each goes through the places of a list.
  const knobs = [
    { name: "queries", title: "Queries a day", list: data.queries, say: (v) => digits(v), smooth: true },
    { name: "horizon", title: "Horizon", list: data.horizons, say: days, smooth: true },
    { name: "every", title: "Documents change every", list: [...data.changes, null], say: (v) => (v === null ? "never" : days(v)), smooth: true },
    { name: "margin", title: "Margin", list: data.margins.map((_, i) => i), say: (i) => String(data.margins[i]), smooth: false },
  ];
  let at = { ...now }, axis = "time";
  const alike = (one, two) => (one.choice && one.choice.row) === (two.choice && two.choice.row);
  const same = (one, two) => one.decided === two.decided && alike(one, two);

  const panel = make("div", "knobs");
  for (const knob of knobs) {
    const box = make("div", "knob");
    const id = `knob-${knob.name}`;
    knob.input = make("input", "", "", { type: "range", id, min: 0, max: knob.list.length - 1, step: 1 });
    knob.output = make("output", "", "", { for: id });
    knob.strip = draw(box, "svg", { class: "strip", "aria-hidden": "true", height: 18 });
    knob.input.addEventListener("input", () => {
      at = { ...at, [knob.name]: knob.list[knob.input.value] };
      show();
    });
    const label = make("label", "", knob.title, { for: id });
    box.prepend(label, knob.output, knob.input);
    panel.append(box);
  }
  const back = make("button", "quiet-button", "Back to the settings of this report", { type: "button" });
  back.addEventListener("click", () => { at = { ...now }; show(); });
  const outcome = make("div", "outcome", "", { role: "status" });
  const flips = make("div", "turns");
  const axes = make("div", "axes", "", { role: "group", "aria-label": "What costs are drawn over" });
  const kinds = [["time", "Over time"], ["queries", "By volume"], ["every", "By document changes"]];
  for (const [kind, title] of kinds) {
    const button = make("button", "quiet-button", title, { type: "button", "data-axis": kind });
    button.addEventListener("click", () => { axis = kind; show(); });
    axes.append(button);
  }
  const figure = make("figure", "chart");
  const meets = make("div", "turns");
  const table = make("div", "scroll", "", { role: "region", "aria-label": "Costs at these settings, table", tabindex: 0 });

  // Where along a slider another row is chosen, first upwards, then downwards: as advisor/verdict/flips.py has it.
  function turns(knob, here) {
    const place = knob.list.indexOf(at[knob.name]), found = [];
    for (const step of [1, -1]) {
      for (let i = place + step; i >= 0 && i < knob.list.length; i += step) {
        const there = advisorChoice.judge(data, { ...at, [knob.name]: knob.list[i] });
        if (alike(there, here)) continue;
        let [near, far] = [knob.list[i - step], knob.list[i]].map((value) => (value === null ? data.never : value));
        for (let turn = 0; turn < 20 && knob.smooth; turn++) {
          const middle = Math.sqrt(near * far);
          if (alike(advisorChoice.judge(data, { ...at, [knob.name]: middle }), here)) near = middle; else far = middle;
        }
        found.push({ up: step > 0, value: far, there });
        break;
      }
    }
    return found;
  }
  const called = ({ choice, decided }) =>
    choice ? [code(choice.row), decided ? "" : " (provisionally)"] : ["nothing that keeps the limits"];
  const condition = (knob, { up, value }) => ({
    queries: `${up ? "More" : "Fewer"} than ${digits(value)} queries a day`,
    horizon: `A horizon ${up ? "above" : "below"} ${digits(value)} days`,
    every: `Documents change ${up ? "less" : "more"} often than every ${digits(value)} days`,
    margin: `A margin of ${data.margins[value]} or ${up ? "more" : "less"}`,
  })[knob.name];

  function showOutcome(here) {
    const { choice, decided, doubts } = here;
    const settled = make("p", `certainty ${decided ? "sure" : ""}`, choice ? (decided ? "\u2713 Decided" : "? Open") : "\u2717 Nothing");
    const line = make("p", "answer");
    const said = make("p", "note");
    if (!choice) line.append("No approach keeps all limits at these settings.");
    else {
      line.append(decided ? "Use " : "Provisionally ", code(choice.row), ".");
      if (choice.alternatives.length) said.append("It cannot be told apart from ", ...names(choice.alternatives), ". ");
      if (choice.better.length) said.append("It is better than ", ...names(choice.better), ". ");
      if (choice.cheaper.length)
        said.append("It is cheaper than ", ...names(choice.cheaper), ` in ${choice.measure}, and not worse by ${data.margins[at.margin]}. `);
      said.append(doubts.join(" "));
    }
    const own = advisorChoice.judge(data, now);
    back.hidden = knobs.every((knob) => at[knob.name] === now[knob.name]);
    if (data.assumed && back.hidden) said.append(` No traffic was given with the limits: ${digits(now.queries)} queries a day are assumed to begin with.`);
    else if (!back.hidden && !same(own, here)) said.append(" At the settings of this report: ", ...called(own), ".");
    outcome.replaceChildren(settled, line, said);
    const list = make("ul");
    for (const knob of knobs)
      for (const turn of turns(knob, here)) {
        const item = make("li", "", `${condition(knob, turn)}: `);
        item.append(...called(turn.there), ".");
        list.append(item);
      }
    flips.replaceChildren(make("h3", "", "When it changes"), list.children.length ? list : make("p", "note", "No single slider changes the choice."));
  }

  // Below each slider: what would be chosen along it, by the numbers of the rows.
  function showStrip(knob, here) {
    const wide = knob.strip.getBoundingClientRect().width || 200, size = knob.list.length, parts = [];
    knob.strip.replaceChildren();
    knob.list.forEach((value, i) => {
      const there = advisorChoice.judge(data, { ...at, [knob.name]: value }), last = parts[parts.length - 1];
      if (last && same(last.there, there)) last.end = i + 1; else parts.push({ start: i, end: i + 1, there });
    });
    for (const { start, end, there } of parts) {
      const [x, width] = [(start / size) * wide, ((end - start) / size) * wide];
      const kind = `${same(there, here) ? "here" : ""} ${there.decided ? "sure" : "unsure"}`;
      draw(knob.strip, "rect", { class: kind, x: x + 0.5, width: Math.max(1, width - 1), y: 1, height: 16, rx: 2 });
      if (width > 14) draw(knob.strip, "text", { class: kind, x: x + width / 2, y: 13 }, there.choice ? rows[there.choice.row].key : "\u2013");
    }
  }

  const unit = (value) => (axis === "every" ? 1 / value : value);
  const range = () => (axis === "time" ? [0, at.horizon]
    : axis === "queries" ? [data.queries[0], data.queries[data.queries.length - 1]] : [data.changes[0], Math.max(at.horizon, data.changes[data.changes.length - 1])]);

  function nice(low, high, count) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw || 1));
    const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= raw);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high * 1.0001; v += step) found.push(v);
    return found;
  }
  const powers = (low, high, most = 8) => {
    const found = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) found.push(10 ** p);
    const step = Math.ceil(found.length / most);
    return found.filter((_, i) => i % step === 0);
  };

  function showChart(here) {
    const places = rows.map((_, i) => i).filter((i) => rows[i].terms), chosen = here.choice ? here.choice.row : -1;
    const lines = rows.map((row) => row.terms && advisorChoice.line(row, at, axis)), [from, to] = range(), log = axis !== "time";
    const wide = Math.max(280, figure.clientWidth || 640), high = Math.round(Math.min(400, Math.max(260, wide * 0.5)));
    const named = wide >= 560, [left, right, top, bottom] = [72, named ? 190 : 44, 14, 40];
    const cost = (i, x) => lines[i].a + lines[i].b * unit(x);
    const ends = places.flatMap((i) => [cost(i, from), cost(i, to)]);
    const most = Math.max(...ends, 1e-9), least = log ? Math.max(Math.min(...ends.filter((y) => y > 0), most), most / 1e6) : 0;
    const scale = (v, low, up) => (log ? Math.log(v / low) / Math.log(up / low || 1) : (v - low) / (up - low || 1));
    const px = (x) => left + scale(x, from, to) * (wide - left - right);
    const py = (y) => high - bottom - Math.max(0, scale(Math.max(y, least), least, most === least ? most * 2 : most)) * (high - top - bottom);
    const title = { time: "days", queries: "queries a day", every: "days between document changes" }[axis];
    const label = `Cost in US dollars ${{ time: "over time", queries: "over the horizon, by queries a day", every: "over the horizon, by days between document changes" }[axis]}; the figures stand in the table below`;
    const svg = make("div").appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "img", "aria-label": label })) svg.setAttribute(key, value);
    for (const y of log ? powers(least, most) : nice(0, most, 4)) {
      draw(svg, "line", { class: "grid", x1: left, x2: wide - right, y1: py(y), y2: py(y) });
      draw(svg, "text", { class: "tick", x: left - 8, y: py(y) + 4, "text-anchor": "end" }, usd(y));
    }
    for (const x of log ? powers(from, to, wide < 480 ? 4 : 8) : nice(from, to, wide < 480 ? 4 : 7))
      draw(svg, "text", { class: "tick", x: px(x), y: high - bottom + 18, "text-anchor": "middle" }, digits(x));
    draw(svg, "line", { class: "base", x1: left, x2: wide - right, y1: high - bottom, y2: high - bottom });
    draw(svg, "text", { class: "tick", x: (left + wide - right) / 2, y: high - 4, "text-anchor": "middle" }, title);
    if (log && at[axis] !== null) draw(svg, "line", { class: "current", x1: px(at[axis]), x2: px(at[axis]), y1: top, y2: high - bottom });
    const order = places.filter((i) => i !== chosen).concat(chosen < 0 || !lines[chosen] ? [] : [chosen]);
    const kindOf = (i) => (i === chosen ? "row chosen" : here.held[i].broken ? "row out" : "row");
    for (const i of order) {
      const points = Array.from({ length: 65 }, (_, k) => (log ? from * (to / from) ** (k / 64) : from + ((to - from) * k) / 64));
      const seen = points.filter((x) => cost(i, x) >= least);
      draw(svg, "path", { class: kindOf(i), d: seen.map((x, k) => `${k ? "L" : "M"}${px(x).toFixed(1)} ${py(cost(i, x)).toFixed(1)}`).join("") });
    }
    const labels = places.map((i) => ({ i, end: py(cost(i, to)), y: py(cost(i, to)) })).sort((one, two) => one.y - two.y);
    labels.forEach((one, k) => { if (k) one.y = Math.max(one.y, labels[k - 1].y + 13); });
    let floor = high - bottom + 4;
    for (const one of labels.toReversed()) { one.y = Math.min(one.y, floor); floor = one.y - 13; }
    for (const { i, end, y } of labels) {
      const spec = rows[i].spec.length > 22 ? `${rows[i].spec.slice(0, 21)}\u2026` : rows[i].spec;
      draw(svg, "line", { class: "leader", x1: wide - right + 3, y1: end, x2: wide - right + 16, y2: y });
      draw(svg, "text", { class: `name ${kindOf(i)}`, x: wide - right + 20, y: y + 4 }, named ? `${rows[i].key} ${spec}` : rows[i].key);
    }
    const met = advisorChoice.meetings(data, at, axis, places.filter((i) => !here.held[i].broken)).filter(({ x }) => x > from && x < to);
    const place = (x) => ({ time: days(x), queries: `${digits(x)} queries a day`, every: `changes every ${days(x)}` })[axis];
    for (const { x, y, below, above } of met)
      draw(draw(svg, "circle", { class: "meet", cx: px(x), cy: py(y), r: 4 }), "title", {}, `${rows[below].spec} and ${rows[above].spec} cost the same at ${place(x)}`);
    figure.replaceChildren(svg.parentNode, make("figcaption", "note",
      "Numbers are those of the table below; the line in colour is the choice, dashed lines break a limit, rings are where two cost the same."));
    for (const button of axes.children) button.setAttribute("aria-pressed", String(button.dataset.axis === axis));
    showBreakEven(advisorChoice.breakEven(data, at, here.held), chosen);
  }

  // The break-even points at these settings in the report's words, those of the choice first.
  function showBreakEven({ queries, every, utilisation }, chosen) {
    const list = make("ul"), own = ({ below, above }) => below === chosen || above === chosen;
    const said = [
      ...queries.map((one) => ({ ...one, words: ["Up to about ", digits(one.x * at.horizon, 2), " queries in all, ", code(one.below), " is cheaper; beyond, ", code(one.above), "."] })),
      ...every.map((one) => ({ ...one, words: ["If the documents change more often than about every ", digits(one.x, 2), " days, ", code(one.below), " is cheaper; if less often, ", code(one.above), "."] })),
      ...utilisation.map((one) => ({ ...one, words: ["On hardware that is busy less than about ", digits(100 * one.x), " % of the time, ", code(one.above), " is dearer than the tokens of ", code(one.below), "; busier, it is cheaper."] })),
    ];
    for (const { words } of [...said.filter(own), ...said.filter((one) => !own(one))]) {
      const item = make("li");
      item.append(...words);
      list.append(item);
    }
    meets.replaceChildren(make("h3", "", "Break-even"), said.length ? list : make("p", "note", "No two that are worth a choice cost the same at any traffic, or any pace of changes."));
  }

  function showTable({ choice, decided, spent, held }) {
    const head = make("tr"), timed = spent.some((cost) => cost && cost.ends);
    for (const [title, kind] of [["", ""], ["approach", "left"], ["over the horizon", ""], ...(timed ? [["95 %", ""]] : []), ["fitting", ""], ["upkeep", ""], ["queries", ""], ["machines kept on", ""], ["at these settings", "left"]])
      head.append(make("th", kind, title, { scope: "col" }));
    const body = make("tbody");
    rows.forEach((row, i) => {
      const cost = spent[i], line = make("tr", choice && choice.row === i ? "strong" : held[i].broken ? "quiet" : "");
      const name = make("th", "", "", { scope: "row" });
      name.append(code(i));
      line.append(make("td", "key", row.key), name);
      const ends = cost && cost.ends ? `${usd(cost.ends[0])} to ${usd(cost.ends[1])}` : "";
      const cells = cost
        ? [usd(cost.total), ...(timed ? [ends] : []), usd(cost.fit), usd(cost.upkeep), usd(cost.total - cost.fixed),
          cost.always === null ? "by the token" : `${usd(cost.always)} (${cost.machines})`]
        : ["unknown", ...Array(timed ? 5 : 4).fill("")];
      for (const cell of cells) line.append(make("td", "", cell));
      line.append(make("td", "left", standing(i, choice, decided, held[i])));
      body.append(line);
    });
    const found = make("table");
    found.append(make("caption", "unseen", "Costs at these settings"), make("thead"), body);
    found.tHead.append(head);
    table.replaceChildren(found);
  }
  function standing(i, choice, decided, { broken, dear, picked }) {
    if (broken) {
      const why = [...rows[i].broken, ...(dear ? [`above the budget of ${usd(data.budget)}`] : []), ...(picked ? ["below the least quality, corrected for having been picked"] : [])];
      return `excluded: ${why.join("; ")}`;
    }
    if (!choice) return "";
    if (choice.row === i) return decided ? "\u2713 the choice" : "named provisionally";
    if (choice.alternatives.includes(i)) return "cannot be told apart";
    return choice.better.includes(i) ? "shown to be worse" : "dearer, and not better by the margin";
  }

  function show() {
    const here = advisorChoice.judge(data, at);
    for (const knob of knobs) {
      knob.input.value = knob.list.indexOf(at[knob.name]);
      knob.output.textContent = knob.say(at[knob.name]);
      knob.input.setAttribute("aria-valuetext", knob.output.textContent);
      showStrip(knob, here);
    }
    showOutcome(here);
    showChart(here);
    showTable(here);
  }
  const beside = make("div", "beside");
  beside.append(flips, meets);
  const legend = make("p", "note", "The band below a slider shows what would be chosen along it, by the numbers of the table; dashed where that would be provisional.");
  home.replaceChildren(panel, legend, outcome, back, axes, figure, beside, table);
  show();
  let wide = home.clientWidth;
  addEventListener("resize", () => { if (home.clientWidth !== wide) { wide = home.clientWidth; show(); } });
})();
