// The grid: a face is taken over by a click, and the one that the stage shows is marked.
let current = null;

function mark() {
  for (const cell of element.querySelectorAll("[data-seed]"))
    cell.setAttribute("aria-pressed", String(cell.dataset.seed === current));
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.seed) trigger("pick", { seed: Number(button.dataset.seed) });
  if (button.dataset.start) trigger("turn", { start: Number(button.dataset.start) });
});
document.addEventListener("face-shown", (event) => {
  if (current === event.detail.seed) return;
  current = event.detail.seed;
  mark();
});
watch("value", mark);
