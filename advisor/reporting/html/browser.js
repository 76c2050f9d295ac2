// The test examples: filters by what rows answered, by part and by text; a few cards at a time.
(() => {
  const home = document.getElementById("examples-browser");
  if (!home) return;
  const data = JSON.parse(document.getElementById("examples-data").textContent);
  const shownAtOnce = data.rows.length > 8 ? 3 : 5, folded = 400;
  const make = advisorElement;
  const whole = (place) => { const found = data.texts[place]; return typeof found === "string" ? [found, 0] : found; };
  const documentOf = (place) => { const found = data.documents[place]; return typeof found === "string" ? found : found[0]; };
  const cards = data.cards.map(([id, input, targets, group, answers]) => ({
    id, input, targets, group,
    answers: answers.map(([text, score, confidence, failure = "", passages = []]) => ({ text, score, confidence, failure, passages })),
  }));
  const found = cards.map((card) =>
    [card.id, whole(card.input)[0], ...card.targets.map((one) => whole(one)[0]), ...card.answers.map((one) => whole(one.text)[0])]
      .join("\n").toLowerCase());

  // Filters.
  const wanted = data.rows.map(() => "any");
  let threshold = data.right_from, part = null, first = 0;
  const labelled = (title, field) => {
    const label = make("label", "field");
    field.setAttribute("aria-label", title);
    label.append(make("span", "", title), field);
    return label;
  };
  const choices = (options) => {
    const select = make("select");
    for (const [value, title] of options) select.append(make("option", "", title, { value }));
    return select;
  };
  const words = make("input", "", "", { type: "search", placeholder: "in inputs, references and answers" });
  const parts = choices([["", "all test examples"]]);
  for (const by of new Set(data.parts.map((one) => one.by))) {
    const group = make("optgroup", "", "", { label: by });
    data.parts.forEach((one, i) => { if (one.by === by) group.append(make("option", "", `${one.name} (${one.places.length})`, { value: i })); });
    parts.append(group);
  }
  const bar = make("div", "filters");
  bar.append(labelled("Text", words), labelled("Part", parts));
  const least = make("input", "", "", { type: "number", min: 0, max: 1, step: 0.05, value: threshold });
  if (data.graded) bar.append(labelled(`Right from a ${data.metric} of`, least));
  const answered = make("details"), asked = make("div", "answered");
  answered.append(make("summary", "", "Answered right or wrong by"), asked);
  answered.open = data.rows.length <= 6 || home.clientWidth > 700;
  const selects = data.rows.map((spec, i) => {
    const select = choices([["any", "any"], ["right", "right"], ["wrong", "wrong"]]);
    const label = make("label");
    select.setAttribute("aria-label", spec);
    label.append(make("code", "", spec, { dir: "auto" }), select);
    select.addEventListener("change", () => { wanted[i] = select.value; select.className = select.value; show(0); });
    asked.append(label);
    return select;
  });
  const clear = make("button", "quiet-button", "Clear filters", { type: "button" });
  const status = make("p", "count", "", { role: "status" });
  const before = make("button", "", "Previous", { type: "button" }), after = make("button", "", "Next", { type: "button" });
  const turning = make("div", "turning");
  turning.append(before, after, status, clear);
  const list = make("div", "cards");

  const isRight = (answer) => answer.score !== null && !answer.failure && answer.score >= threshold - 1e-9;
  function matches() {
    const asked = words.value.trim().toLowerCase(), inside = part === null ? null : new Set(data.parts[part].places);
    return cards.map((_, i) => i).filter((i) =>
      (!inside || inside.has(i)) && (!asked || found[i].includes(asked)) &&
      wanted.every((how, row) => how === "any" || isRight(cards[i].answers[row]) === (how === "right")));
  }

  // A text; a long one is folded, and says what is not in the page at all.
  function wordsOf(place, kind = "") {
    const [text, missing] = whole(place), box = make("div", `words ${kind}`, "", { dir: "auto" });
    if (!text && !missing) return make("div", "words none", "(empty)");
    const rest = missing ? ` \u2026 (${missing.toLocaleString("en-US")} more characters are not in this page)` : "";
    if (text.length <= folded * 1.25) { box.textContent = text + rest; return box; }
    const shown = make("span", "", `${text.slice(0, folded)} \u2026`), more = make("button", "more", "show more", { type: "button", "aria-expanded": "false" });
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") === "false";
      shown.textContent = open ? text + rest : `${text.slice(0, folded)} \u2026`;
      more.setAttribute("aria-expanded", String(open));
      more.textContent = open ? "show less" : "show more";
    });
    box.append(shown, " ", more);
    return box;
  }

  function passagesOf(answer) {
    const right = answer.passages.filter((one) => one[2]).length;
    const box = make("details"), many = answer.passages.length;
    box.append(make("summary", "", `${many} passage${many === 1 ? "" : "s"} retrieved${right ? `, ${right} right` : ""}`));
    box.addEventListener("toggle", () => {
      if (box.childElementCount > 1) return;
      const list = make("ol");
      for (const [document, text, good, shown] of answer.passages) {
        const item = make("li", good ? "right" : "");
        const head = make("p", "from");
        head.append(make("code", "", documentOf(document), { dir: "auto" }));
        if (good) head.append(" ", make("span", "badge good", "\u2713 holds the answer"));
        if (!shown) head.append(" ", make("span", "badge", "did not fit the prompt"));
        item.append(head);
        if (whole(text)[0]) item.append(wordsOf(text));
        list.append(item);
      }
      box.append(list);
    });
    return box;
  }

  function cardOf(i) {
    const card = cards[i], box = make("article", "card", "", { "aria-label": `Example ${card.id}` });
    const head = make("h3");
    head.append(make("code", "", card.id, { dir: "auto" }));
    if (card.group) head.append(" ", make("span", "badge", card.group, { dir: "auto" }));
    const about = make("dl", "asked");
    const add = (title, ...inside) => { const value = make("dd"); value.append(...inside); about.append(make("dt", "", title), value); };
    add("input", wordsOf(card.input));
    add(card.targets.length > 1 ? "right answers" : "reference", ...card.targets.map((one) => wordsOf(one)));
    const answers = make("ul", "answers");
    data.rows.forEach((spec, row) => {
      const answer = card.answers[row], right = isRight(answer), line = make("li", right ? "right" : "wrong");
      const head = make("div", "by");
      const sign = answer.score === null ? "no score" : right ? "\u2713" : "\u2717";
      head.append(make("span", `sign ${right ? "good" : "bad"}`, sign, { "aria-label": answer.score === null ? "no score" : right ? "right" : "wrong", role: "img" }), " ", make("code", "", spec, { dir: "auto" }));
      const facts = [];
      if (data.graded && answer.score !== null) facts.push(`score ${answer.score.toFixed(2)}`);
      if (answer.confidence !== null) facts.push(`confidence ${answer.confidence.toFixed(2)}`);
      line.append(head, make("small", "facts", facts.join(", ")), answer.failure ? make("div", "words none", `no answer: ${answer.failure}`) : wordsOf(answer.text));
      if (answer.passages.length) line.append(passagesOf(answer));
      answers.append(line);
    });
    box.append(head, about, answers);
    return box;
  }

  function show(from) {
    const places = matches();
    first = Math.max(0, Math.min(from, Math.floor((places.length - 1) / shownAtOnce) * shownAtOnce));
    const some = places.slice(first, first + shownAtOnce);
    list.replaceChildren(...some.map(cardOf));
    status.textContent = places.length
      ? `${first + 1} to ${first + some.length} of ${places.length.toLocaleString("en-US")}${places.length < cards.length ? ` that match, of ${cards.length.toLocaleString("en-US")}` : " examples"}`
      : `None of ${cards.length.toLocaleString("en-US")} examples matches.`;
    before.disabled = first === 0;
    after.disabled = first + shownAtOnce >= places.length;
    clear.hidden = places.length === cards.length && !words.value;
  }
  words.addEventListener("input", () => show(0));
  parts.addEventListener("change", () => { part = parts.value === "" ? null : Number(parts.value); show(0); });
  least.addEventListener("input", () => { const value = Number(least.value); if (least.value !== "" && value >= 0) { threshold = value; show(0); } });
  before.addEventListener("click", () => show(first - shownAtOnce));
  after.addEventListener("click", () => show(first + shownAtOnce));
  clear.addEventListener("click", () => {
    words.value = parts.value = ""; part = null; wanted.fill("any");
    for (const select of selects) { select.value = "any"; select.className = ""; }
    show(0);
  });
  home.replaceChildren(bar, answered, turning, list);
  show(0);
})();
