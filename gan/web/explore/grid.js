// The grid: a face is taken over by a click, and the one that the stage shows is marked. Where the visitor makes a
// direction (maker.js), each face has a + and a −.
import { follow } from "../shared/following.js";
import { fill, html } from "../shared/html.js";
import { listen, tell } from "../shared/telling.js";
import { walk } from "../shared/walking.js";

const SIGNS = { "+": "+", "-": "−", "−": "−" }; // keys that mark a face

export function mount({ element, trigger, ...component }) {
  let current = null; // the seed that the stage shows
  let marks = new Map(); // seed -> {sign, picture}

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
      tell("face-mark", { seed: button.dataset.of, sign: button.dataset.mark, picture });
    }
  });
  walk(element, ".faces", "[data-seed]");
  element.addEventListener("keydown", (event) => {
    if (event.key in SIGNS) event.target.closest(".cell")?.querySelector(`[data-mark="${SIGNS[event.key]}"]`).click();
  });
  listen("face-shown", ({ seed }) => {
    if (current === seed) return;
    current = seed;
    mark();
  });
  listen("marks-changed", (changed) => {
    marks = changed;
    mark();
  });
  follow(component, (drawn) => {
    fill(element, drawn.pictures ? grid(drawn) : "");
    mark();
  });
}

function grid({ start, last, size, pictures }) {
  const end = start + pictures.length;
  return html`<div class="grid-head"><div><h2>More faces</h2>
    <p>Seeds ${start} to ${end - 1}, unchanged. Choose one and go on from there.</p></div>
    <div class="turn">${turn(Math.max(0, start - pictures.length), "before", "←", start === 0)}
    ${turn(Math.min(last, end), "after", "→", start >= last)}</div></div>
    <div class="faces">${pictures.map((picture, i) => cell(start + i, picture, size))}</div>`;
}

function turn(start, where, arrow, off) {
  const disabled = off ? html` disabled` : "";
  return html`<button type="button" data-start="${start}"${disabled} aria-label="Faces ${where} these">${arrow}</button>`;
}

function cell(seed, picture, size) {
  return html`<div class="cell"><button type="button" data-seed="${seed}" aria-label="Take over the face of seed ${seed}">
    <img src="${picture}" width="${size}" height="${size}" alt=""><span>${seed}</span></button>
    <div class="marks">${sign(seed, "+", "has it")}${sign(seed, "−", "has it not")}</div></div>`;
}

function sign(seed, sign, words) {
  return html`<button type="button" data-mark="${sign}" tabindex="-1" data-of="${seed}" aria-label="Seed ${seed} ${words}">${sign}</button>`;
}
