// Small things that viewers do with elements of the page. What is named by a file or a visitor goes in as text.

// A new element; a button does not submit, and a picture says nothing to a screen reader until it is told what.
export function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (tag === "button") node.type = "button";
  if (tag === "img") node.alt = "";
  node.textContent = text;
  return node;
}

// A new element of a drawing.
export function makeSvg(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// The words of an element that holds nothing else, for what changes with every move: new nodes, were they of the same
// words, would let the browser lay out the whole page again.
export function write(element, words) {
  if (element.textContent === words) return;
  if (element.firstChild) element.firstChild.data = words;
  else element.textContent = words;
}

// The track of a range is filled up to its value.
export function fill(input) {
  const share = (input.value - input.min) / Math.max(1, input.max - input.min);
  input.style.setProperty("--share", `${100 * share}%`);
}

// A sentence in its place, which is gone without one.
export function say(place, sentence) {
  place.textContent = sentence;
  place.hidden = !sentence;
}
