// Explore's controls, as Gradio puts them on the page: which of them moves what.
const SLIDER = "slider-"; // before a slider's key, in its id

// What an input moves, in the words of shared/state.js; null for none of ours.
export function keyOf(input) {
  const id = input.closest(`#seed, #truncation, #sliders [id^="${SLIDER}"]`)?.id;
  return id?.startsWith(SLIDER) ? decodeURIComponent(id.slice(SLIDER.length)) : (id ?? null);
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
