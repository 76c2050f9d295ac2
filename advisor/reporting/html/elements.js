// An element with its class, text and attributes: what the other scripts build with. Declared so that their order is free.
function advisorElement(name, kind = "", text = "", more = {}) {
  const found = document.createElement(name);
  if (kind) found.className = kind;
  if (text) found.textContent = text;
  for (const [key, value] of Object.entries(more)) found.setAttribute(key, value);
  return found;
}
