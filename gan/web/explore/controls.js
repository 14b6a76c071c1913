// Explore's controls, as Gradio puts them on the page: which of them moves what.
import { given } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";

export const RANDOM_SEEDS = 1_000_000; // in reach of the random button and of the seed's slider: short enough to read out
const SLIDER = "slider-"; // before a slider's key, in its id
const SLIDERS = `#sliders [id^="${SLIDER}"]`;

// What an input moves, in the words of shared/state.js; null for none of ours.
export function keyOf(input) {
  const id = input.closest(`#seed, #truncation, ${SLIDERS}`)?.id;
  return id?.startsWith(SLIDER) ? keyIn(id) : (id ?? null);
}

const keyIn = (id) => decodeURIComponent(id.slice(SLIDER.length));

// What Gradio's components are to show of a face as JSON: seed, truncation, and each slider that is there.
export function standing(state) {
  const face = JSON.parse(state);
  const sliders = [...document.querySelectorAll(SLIDERS)].map(({ id }) => given(face, keyIn(id)));
  return [face.seed, face.truncation, ...sliders];
}

// The control that moves what a key names; undefined where it is not among those that are there.
export const controlOf = (key) =>
  key === "truncation"
    ? document.getElementById(key)
    : [...document.querySelectorAll(SLIDERS)].find((control) => keyOf(control) === key);

// What the sliders move that are in view.
export const keysInView = () =>
  [...document.querySelectorAll(SLIDERS)].filter((control) => control.checkVisibility()).map(keyOf);

// What it says; null while it is no number (yet).
export function numberOf(input) {
  if (input.value === "") return null;
  // A field takes any number until it is left; then Gradio makes it one that the slider can have.
  const value = Math.min(Math.max(Number(input.value), Number(input.min)), Number(input.max));
  return keyOf(input) === "seed" ? Math.round(value) : value;
}

// Whether the large picture is to be enlarged without visible pixels.
export const isSmooth = () => !pixels().checked;

// moved(input): a control was moved, the choice of pixels too (which moves nothing of the face). drawn(key): the value
// that is drawn, null for none; a field that is left shows it, whatever was typed.
export function watchControls(moved, drawn) {
  // Before Gradio hears of it, which then puts its own things on the page while the picture is drawn; but after what
  // holds moves back (shared/ranges.js).
  document.body.addEventListener(
    "input",
    ({ target }) => {
      if (target === pixels() || keyOf(target)) moved(target);
    },
    true,
  );
  document.addEventListener("focusout", ({ target }) => {
    if (target.type !== "number" || !keyOf(target)) return;
    const typed = target.value;
    setTimeout(() => correct(target, typed, drawn(keyOf(target)))); // after Gradio
  });
  listen("stage-filled", () => {
    const range = document.querySelector("#seed input[type=range]");
    if (range) range.max = RANDOM_SEEDS - 1; // the box beside it takes any
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#truncation [data-testid=reset-button]")) return;
    // After Gradio has reset the slider, which tells nobody else.
    setTimeout(() => moved(document.querySelector("#truncation input[type=range]")));
  });
}

// typed: what the field said when it was left.
function correct(field, typed, value) {
  if (value === null) return;
  if (field.value === "" || Number(field.value) !== value) {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (typed !== "" && Number(typed) === value) return;
  const kind = keyOf(field) === "seed" ? "a whole number" : "a number";
  const is = `${typed === "" ? "The box was empty" : `${typed} cannot be drawn`}: it is ${value} now.`;
  tell("corrected", `${is} Expected ${kind} from ${field.min} to ${field.max}.`);
}

const pixels = () => document.querySelector("#pixels input");
