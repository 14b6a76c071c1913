// Undo and redo: a step is what one gesture changed.
import { same } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";
import { buildSteps } from "./steps.js";

const REST = 500; // milliseconds without a move, that end a gesture
const AGAIN = 5000; // milliseconds after a face that did not come
const TYPING = "textarea, select, input:not([type=range], [type=checkbox], [type=radio])"; // have an undo of their own

// buttons: {undo, redo}; isInView: whether keys are meant for this tab.
export function buildUndoing(buttons, isInView) {
  const steps = buildSteps();
  let latest = null;
  let wanted = null; // the face to go to, until it is there
  let asked = null; // the face that is under way: another is asked for when it has come
  let waiting;
  let isHeld = false; // by a pointer
  let timer;

  function show() {
    buttons.undo.disabled = !steps.has(-1);
    buttons.redo.disabled = !steps.has(1);
  }

  function settle() {
    clearTimeout(timer);
    if (latest) steps.put(latest);
    latest = null;
    show();
  }

  function go(by) {
    settle();
    const next = steps.go(by);
    if (!next) return;
    wanted = next;
    if (!asked) ask();
    show();
  }

  function ask() {
    asked = wanted;
    clearTimeout(waiting);
    waiting = setTimeout(arrive, AGAIN);
    tell("face-wanted", JSON.stringify(asked));
  }

  function arrive() {
    asked = null;
  }

  listen("face-moved", (text) => {
    const face = JSON.parse(text);
    if (asked && same(asked, face)) {
      arrive();
      if (!same(wanted, face)) ask();
      return;
    }
    latest = face;
    clearTimeout(timer);
    if (!steps.has(0)) settle(); // the first to go back to, however soon a gesture follows
    else if (!isHeld) timer = setTimeout(settle, REST);
  });
  document.addEventListener("pointerdown", () => {
    settle(); // another gesture begins
    isHeld = true;
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => {
      isHeld = false;
      if (latest) settle();
    });
  document.addEventListener("keydown", (event) => {
    const isZ = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!isZ || !isInView() || event.target.matches(TYPING)) return;
    event.preventDefault();
    go(event.shiftKey ? 1 : -1);
  });
  buttons.undo.addEventListener("click", () => go(-1));
  buttons.redo.addEventListener("click", () => go(1));
  show();
}
