"use strict";
// What the choice is at other settings: sums and comparisons alone. All that needs judgement stands in `data`, as
// advisor/verdict/exploring.py wrote it, and the order of the comparisons is that of advisor/verdict/rule.py.
// A setting is {queries: a day or null, horizon: days, every: days between changes or null, margin: place in margins}.
const advisorChoice = (() => {
  const spread = (value, error, stretch) => ({
    value,
    low: (error ? value / (1 + error) : value) / stretch,
    high: error ? value * (1 + error) : value,
  });

  // The costs of one row in US dollars; null where a price is unknown.
  function costs(row, at) {
    const terms = row.terms;
    if (!terms) return null;
    const upkeep = at.every === null ? 0 : terms.upkeep[at.margin] * (at.horizon / at.every);
    const fixed = terms.fit + upkeep;
    const found = { fit: terms.fit, upkeep, fixed, per_query: terms.per_query, total: null, machines: null, always: null };
    found.per_1k = spread(1000 * terms.per_query, terms.error, terms.stretch_query);
    if (at.queries === null) return found;
    found.total = fixed + terms.per_query * at.queries * at.horizon;
    const quiet = fixed / terms.stretch_fit + (found.total - fixed) / terms.stretch_query;
    found.over = spread(found.total, terms.error, quiet ? found.total / quiet : 1);
    found.ends = terms.error ? [found.total / (1 + terms.error), found.total * (1 + terms.error)] : null;
    if (terms.per_hour !== null) {
      found.machines = Math.max(1, Math.ceil(at.queries / (24 * terms.queries_per_hour)));
      found.always = fixed + found.machines * 24 * at.horizon * terms.per_hour;
    }
    return found;
  }

  // What excludes each row at this setting, and whether a limit is neither shown to be kept nor to be broken.
  function held(data, spent) {
    return data.rows.map((row, i) => {
      const cost = spent[i], budget = data.budget;
      const known = cost && (cost.total === null ? cost.fit : cost.total);
      const dear = budget !== null && cost !== null && known > budget;
      const unsure = budget !== null && cost !== null && !!cost.ends && cost.ends[0] <= budget && budget < cost.ends[1];
      return {
        broken: row.broken.length > 0 || dear,
        dear,
        open: row.open || unsure,
        may: !row.excluded && !(dear && !unsure),
        picked: false,
      };
    });
  }

  // The measure of "cheaper": the first that is known of all; amounts by place, the least difference.
  function measured(data, spent, among) {
    const all = (of) => {
      const found = among.map((i) => of(i));
      return found.every(Boolean) ? found : null;
    };
    const over = all((i) => spent[i] && spent[i].over);
    if (over) return { name: "cost over the horizon", amounts: over, least: data.cent };
    const each = all((i) => spent[i] && spent[i].per_1k);
    if (each) return { name: "cost per 1,000 queries", amounts: each, least: 0 };
    const waits = all((i) => data.rows[i].latency);
    return waits && { name: "median latency", amounts: waits, least: 0 };
  }

  function cheaper(mine, theirs, measure, tolerance) {
    const saved = theirs.value - mine.value;
    const off = Math.hypot(mine.high - mine.value, theirs.value - theirs.low);
    return saved > 0 && saved >= measure.least && saved >= tolerance * theirs.value && saved > off;
  }

  // Which rows are cheaper than which, and all of them by cost, as places in `among`.
  function ranked(data, spent, among) {
    const measure = measured(data, spent, among);
    const amounts = measure ? measure.amounts : [];
    const table = among.map((_, i) =>
      among.map((_, j) => !!measure && cheaper(amounts[i], amounts[j], measure, data.tolerance)));
    const order = among.map((_, i) => i);
    if (measure) order.sort((i, j) => amounts[i].value - amounts[j].value);
    return { measure, table, order };
  }

  // The rule: the best, or the cheapest that is no worse and settled against all.
  function apply(best, better, noWorse, { table, order }) {
    const places = order.map((_, i) => i);
    const cheap = (i, j) => table[i][j] && noWorse(i, j);
    const settled = (i) => places.every((j) => j === i || better(i, j) || cheap(i, j));
    const taken = order.find((i) => cheap(i, best) && settled(i));
    return taken === undefined ? best : taken;
  }

  function choose(data, at, spent, among) {
    if (!among.length) return null;
    const by = ranked(data, spent, among);
    const better = (i, j) => data.better[among[i]][among[j]] === "1";
    const noWorse = (i, j) => data.no_worse[at.margin][among[i]][among[j]] === "1";
    const place = apply(0, better, noWorse, by);
    const others = among.map((_, i) => i).filter((i) => i !== place);
    const cheap = (i) => !better(place, i) && by.table[place][i] && noWorse(place, i);
    const names = (test) => others.filter(test).map((i) => among[i]);
    return {
      row: among[place],
      best: among[0],
      measure: by.measure ? by.measure.name : "",
      better: names((i) => better(place, i)),
      cheaper: names(cheap),
      alternatives: names((i) => !better(place, i) && !cheap(i)),
    };
  }

  // By how much the pick of the test examples looks too good: the choice repeated on resamples of them.
  function optimism(data, at, spent, among) {
    const { inside, beyond, half, field } = data.selection;
    const columns = among.map((i) => field.indexOf(i)), size = field.length, margin = data.margins[at.margin];
    if (columns.length < 2) return 0;
    const by = ranked(data, spent, among);
    const key = JSON.stringify([among, at.margin, by.table, by.order]);
    const known = (data.selection.found ||= new Map());
    if (known.has(key)) return known.get(key);
    const draws = inside.length / size;
    let picked = 0, all = 0;
    for (let draw = 0; draw < draws; draw++) {
      const of = (i) => inside[draw * size + columns[i]], bar = (i, j) => half[columns[i]][columns[j]];
      let best = 0;
      for (let i = 1; i < columns.length; i++) if (of(i) > of(best)) best = i;
      const beats = (i, j) => of(i) - of(j) > bar(i, j), keeps = (i, j) => of(i) - of(j) > bar(i, j) - margin;
      picked += beyond[draw * size + columns[apply(best, beats, keeps, by)]];
      for (const column of columns) all += beyond[draw * size + column] / columns.length;
    }
    known.set(key, Math.max(0, (Math.SQRT2 * (picked - all)) / draws));
    return known.get(key);
  }

  // The choice at a setting: {choice, decided, doubts, spent, held}; `choice` is null where nothing may be chosen.
  function judge(data, at) {
    const spent = data.rows.map((row) => costs(row, at)), found = held(data, spent);
    const places = data.rows.map((_, i) => i);
    let off = 0;
    if (data.selection) {
      const field = places.filter((i) => data.selection.field.includes(i) && !found[i].dear);
      off = field.length ? optimism(data, at, spent, field) : 0;
    }
    let choice = null;
    for (;;) {
      choice = choose(data, at, spent, places.filter((i) => !found[i].broken));
      if (!choice || !data.selection) break;
      const corrected = Math.round(Math.max(0, data.rows[choice.row].quality[0] - off) * 1e12) / 1e12;
      if (corrected >= data.min_quality) break;
      found[choice.row].broken = found[choice.row].picked = true;
    }
    const doubts = choice ? [...data.rows[choice.row].doubts] : [];
    if (choice) {
      const admitted = places.filter((i) => !found[i].broken || found[i].may);
      const other = choose(data, at, spent, admitted).row;
      if (found[choice.row].open) doubts.push(`${data.rows[choice.row].spec} is not shown to keep its limits.`);
      else if (other !== choice.row)
        doubts.push(`If ${data.rows[other].spec} kept its limit, it would be chosen in place of ${data.rows[choice.row].spec}.`);
    }
    return { choice, decided: !!choice && !choice.alternatives.length && !doubts.length, doubts, spent, held: found };
  }

  // The cost of a row as a + b u, with u the days so far ("time"), the queries a day, or the changes a day ("every").
  function line(row, at, axis) {
    const t = row.terms, upkeep = t.upkeep[at.margin], a_day = at.every === null ? 0 : upkeep / at.every;
    if (axis === "time") return { a: t.fit, b: a_day + t.per_query * at.queries };
    if (axis === "queries") return { a: t.fit + a_day * at.horizon, b: t.per_query * at.horizon };
    return { a: t.fit + t.per_query * at.queries * at.horizon, b: upkeep * at.horizon };
  }

  // Rows that no other beats or equals in quality and in every kind of cost, as advisor/verdict/break_even.py has it.
  function worthIt(data, at, places) {
    const merits = (i) => {
      const { fit, per_query, upkeep } = data.rows[i].terms;
      return [data.rows[i].quality[0], -fit, -per_query, -upkeep[at.margin]];
    };
    const beats = (one, two) => one.some((x, k) => x !== two[k]) && one.every((x, k) => x >= two[k]);
    return places.filter((i) => !places.some((j) => beats(merits(j), merits(i))));
  }

  // The break-even points along an axis: where two rows cost the same, `below` being the cheaper one up to there.
  function meetings(data, at, axis, places) {
    const among = worthIt(data, at, places.filter((i) => data.rows[i].terms)), found = [];
    for (const i of among) for (const j of among) {
      if (j <= i) continue;
      const [one, two] = [line(data.rows[i], at, axis), line(data.rows[j], at, axis)];
      const off = (part) => Math.hypot((data.rows[i].terms.error || 0) * one[part], (data.rows[j].terms.error || 0) * two[part]);
      const u = (two.a - one.a) / (one.b - two.b), x = axis === "every" ? 1 / u : u;
      if (!(u > 0) || !Number.isFinite(x)) continue;
      if (axis === "every") {
        if (Math.abs(one.a - two.a) <= Math.max(off("a"), data.cent) || x < data.shortest || x > at.horizon) continue;
      } else {
        const most = axis === "time" ? at.horizon : at.queries, gap = (v) => Math.abs(one.a - two.a + (one.b - two.b) * v);
        if (Math.abs(one.b - two.b) <= Math.max(off("b"), data.tolerance * Math.max(one.b, two.b))) continue;
        if (Math.max(gap(0), gap(most)) < data.cent || (axis === "time" ? x < 1 || x > most : x * at.horizon < at.queries)) continue;
      }
      const [flat, steep] = one.b < two.b ? [i, j] : [j, i];
      found.push({ x, y: one.a + one.b * u, below: axis === "every" ? flat : steep, above: axis === "every" ? steep : flat });
    }
    return found.sort((one, two) => one.x - two.x);
  }

  // The shares of the time from which on a row paid by the hour is cheaper than one paid by the token.
  function busyFrom(data, at, places) {
    const known = places.filter((i) => data.rows[i].terms), asked = at.queries * at.horizon, found = [];
    const paid = (byTokens) => worthIt(data, at, known.filter((i) => (data.rows[i].terms.per_hour === null) === byTokens));
    for (const i of paid(false)) for (const j of paid(true)) {
      const [one, two] = [costs(data.rows[i], at), costs(data.rows[j], at)];
      const work = one.per_query * (data.utilisation || 1) * asked, saved = two.per_query * asked - (one.fixed - two.fixed);
      if (saved <= 0 || (data.rows[i].terms.error || 0) * one.fixed >= saved) continue;
      if (work / saved >= data.idlest && work / saved <= 1) found.push({ x: work / saved, below: j, above: i });
    }
    return found.sort((one, two) => one.x - two.x);
  }

  // The break-even points at a setting, of the rows that may be chosen there: those that the report lists.
  function breakEven(data, at, held) {
    const places = data.rows.map((_, i) => i).filter((i) => !held[i].broken);
    return {
      queries: meetings(data, at, "queries", places),
      every: meetings(data, at, "every", places),
      utilisation: busyFrom(data, at, places),
    };
  }

  // The data as they stand in the page, ready to be judged.
  function read(data) {
    const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (mark) => mark.charCodeAt(0)).buffer);
    const { selection } = data;
    return selection
      ? { ...data, selection: { ...selection, inside: floats(selection.inside), beyond: floats(selection.beyond) } }
      : data;
  }

  return { judge, line, meetings, breakEven, read };
})();
