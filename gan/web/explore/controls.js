// Explore's controls, as Gradio puts them on the page: which of them moves what.
import { MAX_SEED } from "../shared/reading.js";
import { given } from "../shared/state.js";

export const RANDOM_SEEDS = 1_000_000; // in reach of the random button and of the seed's slider: short enough to read out
const SLIDER = "slider-"; // before a slider's key, in its id
const SLIDERS = `#sliders [id^="${SLIDER}"]`;

// What an input moves, in the words of shared/state.js; null for none of ours.
export function keyOf(input) {
  const id = input.closest(`#seed, #truncation, ${SLIDERS}`)?.id;
  return id?.startsWith(SLIDER) ? keyIn(id) : (id ?? null);
}

const keyIn = (id) => decodeURIComponent(id.slice(SLIDER.length));

// The seed's slider reaches as far as its face: a link may name any.
export const lastSeed = (seed) => (seed < RANDOM_SEEDS ? RANDOM_SEEDS - 1 : MAX_SEED);

// What Gradio's components are to show of a face as JSON: seed, truncation, and each slider that is there.
export function standing(state) {
  const face = JSON.parse(state);
  const seed = { __type__: "update", value: face.seed, maximum: lastSeed(face.seed) };
  const sliders = [...document.querySelectorAll(SLIDERS)].map(({ id }) => given(face, keyIn(id)));
  return [seed, face.truncation, ...sliders];
}

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
  document.addEventListener("input", (event) => {
    if (event.target === pixels() || keyOf(event.target)) moved(event.target);
  });
  document.addEventListener("focusout", ({ target }) => {
    if (target.type === "number" && keyOf(target)) setTimeout(() => correct(target, drawn(keyOf(target)))); // after Gradio
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#truncation [data-testid=reset-button]")) return;
    // After Gradio has reset the slider, which tells nobody else.
    setTimeout(() => moved(document.querySelector("#truncation input[type=range]")));
  });
}

function correct(field, value) {
  if (value === null || (field.value !== "" && Number(field.value) === value)) return;
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

const pixels = () => document.querySelector("#pixels input");
