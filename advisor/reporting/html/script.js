"use strict";
(() => {
  // Theme: as the system has it, light or dark; kept where the browser lets a page keep something.
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("advisor-theme"); } catch { return null; } };
  const apply = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = themes.includes(kept()) ? kept() : "auto";
  apply(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    apply(theme);
    try { localStorage.setItem("advisor-theme", theme); } catch { /* the page forgets it, then */ }
  });

  // Tables: a click on a title sorts by its column, highest first, then lowest; what has no value stays last.
  const sortBy = (head) => {
    const row = head.parentElement, table = head.closest("table"), body = table.tBodies[0];
    const column = [...row.cells].indexOf(head);
    const order = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    for (const other of row.cells) if (other.dataset.sort !== undefined) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const value = (line) => {
      const cell = line.dataset.last === undefined ? line.cells[column] : null;
      return cell && cell.dataset.value !== undefined ? Number(cell.dataset.value) : null;
    };
    const lines = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return order === "descending" ? y - x : x - y;
    });
    body.append(...lines);
  };
  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.setAttribute("aria-sort", "none");
    head.querySelector("button").addEventListener("click", () => sortBy(head));
  }

  // Print: everything that is folded opens, and folds again afterwards.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded.push(...document.querySelectorAll("details:not([open])"));
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
    folded = [];
  });
})();
