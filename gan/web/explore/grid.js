// The grid: a face is taken over by a click, and the one that the stage shows is marked. Where the visitor makes a
// direction (maker.js), each face has a + and a −. It follows the stage's model and truncation, and is drawn by the
// browser where that draws, else by the server; not before it is a screen's height from being seen.
import { drawn } from "../engine/choosing.js";
import { latents } from "../latent/seeds.js";
import { ask as askServer } from "../shared/asking.js";
import { isHeld, onRelease } from "../shared/holding.js";
import { fill, html } from "../shared/html.js";
import { MAX_SEED } from "../shared/reading.js";
import { listen, tell } from "../shared/telling.js";
import { walk } from "../shared/walking.js";

const FACES = 24; // fills 12, 8, 6 or 4 columns
const LAST = MAX_SEED + 1 - FACES; // the last seed that it can begin with
const NEAR = "100%"; // of the screen's height
const REST = 300; // milliseconds of a truncation that is not moved any more
const SIGNS = { "+": "+", "-": "−", "−": "−" }; // keys that mark a face

export function mount({ element, server }) {
  let current = null; // the seed that the stage shows
  let marks = new Map(); // seed -> {sign, picture}
  let face = null; // the state
  let wanted = null; // {model, truncation, start}: what it shows, or will
  let isAsked = false;
  let isThere = true;
  let isNear = false;
  let timer;

  // One question at a time; of what is wanted meanwhile only the last is asked.
  async function ask(start) {
    wanted = { model: face.model, truncation: face.truncation, start };
    if (isAsked) return;
    isAsked = true;
    for (let asked = null; asked !== wanted; ) {
      asked = wanted;
      const grid = await drawn(
        asked.model,
        (engine) => gridOf(engine, asked),
        () => askServer(server, "grid", asked),
      );
      if (asked !== wanted) continue;
      isThere = Boolean(grid.pictures);
      if (grid.problem) continue; // what was there stays
      fill(element, isThere ? content(grid) : ""); // why there is none is said in the picture's place
      mark();
    }
    isAsked = false;
  }

  // The face is another: so may the grid be.
  function renew() {
    clearTimeout(timer);
    if (!wanted) return ask(Math.min(Math.floor(face.seed / FACES) * FACES, LAST));
    if (face.model !== wanted.model) return ask(wanted.start);
    if (face.truncation !== wanted.truncation || !isThere)
      timer = setTimeout(() => isHeld() || ask(wanted.start), REST);
  }

  const observer = new IntersectionObserver(
    (seen) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      isNear = true;
      renew();
    },
    { rootMargin: `${NEAR} 0px` },
  );

  function mark() {
    for (const cell of element.querySelectorAll("[data-seed]"))
      cell.setAttribute("aria-pressed", String(cell.dataset.seed === current));
    for (const button of element.querySelectorAll("[data-mark]"))
      button.setAttribute("aria-pressed", String(marks.get(button.dataset.of)?.sign === button.dataset.mark));
  }

  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.seed) tell("face-picked", Number(button.dataset.seed));
    if (button.dataset.start) ask(Number(button.dataset.start));
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
  listen("face-moved", (state) => {
    face = JSON.parse(state);
    if (isNear) renew();
    else observer.observe(element); // all above it has its height by now
  });
  onRelease(() => isNear && renew());
}

async function gridOf(engine, { model, truncation, start }) {
  const facts = await engine.open(model);
  const points = Array.from({ length: FACES }, (_, at) => ({ z: latents(facts, start + at), psi: truncation }));
  const pictures = await engine.thumbnails(model, points);
  return { start, last: LAST, size: facts.image_size, pictures };
}

function content({ start, last, size, pictures }) {
  const end = start + pictures.length;
  return html`<div class="grid-head"><div><h2>More faces</h2>
    <p>Seeds ${start} to ${end - 1}, unchanged. Choose one and go on from there: your sliders stay.</p></div>
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
