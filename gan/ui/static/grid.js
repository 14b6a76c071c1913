// The grid: a face is taken over by a click, and the one that the stage shows is marked. Where the visitor makes a
// direction (maker.js), each face has a + and a −.
let current = null;
let marks = new Map();  // seed -> "+" or "−"

function mark() {
  for (const cell of element.querySelectorAll("[data-seed]"))
    cell.setAttribute("aria-pressed", String(cell.dataset.seed === current));
  for (const button of element.querySelectorAll("[data-mark]"))
    button.setAttribute("aria-pressed", String(marks.get(button.dataset.of)?.sign === button.dataset.mark));
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.seed) trigger("pick", { seed: Number(button.dataset.seed) });
  if (button.dataset.start) trigger("turn", { start: Number(button.dataset.start) });
  if (button.dataset.mark) {
    const picture = button.closest(".cell").querySelector("img").src;
    const detail = { seed: button.dataset.of, sign: button.dataset.mark, picture };
    document.dispatchEvent(new CustomEvent("face-mark", { detail }));
  }
});
document.addEventListener("face-shown", (event) => {
  if (current === event.detail.seed) return;
  current = event.detail.seed;
  mark();
});
document.addEventListener("marks-changed", (event) => {
  marks = event.detail;
  mark();
});
watch("value", mark);
