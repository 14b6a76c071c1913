// Sliders for fingers and keys, whoever made them. A finger that comes down on a track and goes up or down scrolls the
// page; one that goes along it, or only taps, moves the slider. Shift and an arrow make a fine step, Page keys a coarse.
const FAR = 8; // pixels that a finger goes before it is known where to
const FINE = 1 / 5; // of a step
const COARSE = 10; // steps
const DECIMALS = 1000;
const STEPS = {
  ArrowRight: FINE,
  ArrowUp: FINE,
  ArrowLeft: -FINE,
  ArrowDown: -FINE,
  PageUp: COARSE,
  PageDown: -COARSE,
};

// root: the document.
export function easeRanges(root) {
  root.addEventListener("keydown", step);
  // As when a pointer lets go of it, which is what Gradio waits for.
  root.addEventListener("keyup", ({ target, key }) => {
    if (isRange(target) && key in STEPS) target.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  });
  waitForFingers(root);
}

const isRange = (target) => target instanceof HTMLInputElement && target.type === "range";

function step(event) {
  const range = event.target;
  const share = STEPS[event.key];
  if (!isRange(range) || !share || event.ctrlKey || event.altKey || event.metaKey) return;
  const isFine = Math.abs(share) === FINE;
  if (isFine !== event.shiftKey) return;
  // A range takes whole steps alone; the number beside it, where there is one, takes what lies between them.
  const number = range.closest(".slider_input_container")?.closest(".wrap").querySelector("input[type=number]");
  if (isFine && (!number || range.step === "1")) return; // the browser's own step is the finest
  event.preventDefault();
  const place = number ?? range;
  const wanted = Number(number?.value || range.value) + share * Number(range.step || 1);
  const value = Math.min(Math.max(wanted, Number(place.min)), Number(place.max));
  place.value = Math.round(value * DECIMALS) / DECIMALS;
  place.dispatchEvent(new Event("input", { bubbles: true }));
}

function waitForFingers(root) {
  let held = null; // {range, value, x, y, wanted, isScrolling}: a finger of which it is not known yet where it goes

  function begin(event) {
    const [finger, ...others] = event.touches;
    const range = event.target;
    held =
      isRange(range) && !others.length ? { range, value: range.value, x: finger.clientX, y: finger.clientY } : null;
  }

  function decide(event) {
    if (!held) return;
    const across = Math.abs(event.touches[0].clientX - held.x);
    const along = Math.abs(event.touches[0].clientY - held.y);
    if (across >= FAR && across > along) held = null;
    else if (along >= FAR) held.isScrolling = true;
  }

  // Until it is known the slider stays where it is, and nobody hears of it.
  function hold(event) {
    if (event.target !== held?.range) return;
    event.stopImmediatePropagation();
    if (event.type !== "input") return;
    held.wanted = held.range.value;
    held.range.value = held.value;
  }

  function tap() {
    if (!held) return;
    const { range, value, wanted, isScrolling } = held;
    held = null;
    if (isScrolling || wanted === undefined || wanted === value) return;
    range.value = wanted;
    for (const type of ["input", "change"]) range.dispatchEvent(new Event(type, { bubbles: true }));
  }

  root.addEventListener("touchstart", begin, { capture: true, passive: true });
  root.addEventListener("touchmove", decide, { capture: true, passive: true });
  root.addEventListener("input", hold, true);
  root.addEventListener("change", hold, true);
  root.addEventListener("touchend", tap, { capture: true, passive: true });
  root.addEventListener(
    "touchcancel",
    () => {
      held = null;
    },
    { capture: true, passive: true },
  );
}
