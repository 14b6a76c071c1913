// What one part of the page tells the others, whichever of them is there first: who listens later is told the last.
const told = new Map(); // by the kind of news

export function tell(kind, detail) {
  told.set(kind, detail);
  document.dispatchEvent(new CustomEvent(kind, { detail }));
}

export function listen(kind, callback) {
  document.addEventListener(kind, (event) => callback(event.detail));
  if (told.has(kind)) callback(told.get(kind));
}
