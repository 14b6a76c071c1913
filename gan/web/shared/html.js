// HTML out of a template, in which whatever is put in stands as text: html`<b title="${name}">${name}</b>`. A list is
// its items one after the other, html inside of html stays what it is, and null, undefined, false and "" are nothing.
// What is put in belongs between tags, or between the double quotes of an attribute.
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

class Markup {
  constructor(text) {
    this.text = text;
  }
}

function written(value) {
  if (Array.isArray(value)) return value.map(written).join("");
  if (value instanceof Markup) return value.text;
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (character) => ESCAPED[character]);
}

export function html(parts, ...values) {
  return new Markup(parts.reduce((text, part, i) => text + written(values[i - 1]) + part));
}

// Puts it in the place of all that an element holds.
export function fill(element, markup) {
  element.innerHTML = written(markup);
}
