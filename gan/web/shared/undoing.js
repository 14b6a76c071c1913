// Undo and redo of a tab, by two buttons and by keys: a step is what one gesture changed.
import { buildSteps } from "./steps.js";

const REST = 500; // milliseconds without a move, that end a gesture
const TYPING = "textarea, select, input:not([type=range], [type=checkbox], [type=radio])"; // have an undo of their own

// element: the tab's, which is in view where keys are meant for it, and has the buttons in it; same: whether two states
// are one; put: shows a state that was there. Gives `moved`, which is told every state that comes to be.
export function buildUndoing(element, { same, put }) {
  const steps = buildSteps(same);
  const [undo, redo] = ["undo", "redo"].map((name) => element.querySelector(`[data-step=${name}]`));
  let latest = null;
  let isHeld = false; // by a pointer
  let timer;

  function show() {
    undo.disabled = !steps.has(-1);
    redo.disabled = !steps.has(1);
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
    if (next) put(next);
    show();
  }

  const begin = () => {
    settle(); // another gesture begins
    isHeld = true;
  };
  document.addEventListener("pointerdown", begin, true); // before who moves something by it
  document.addEventListener("focusin", settle); // and here, by a key
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, ({ isTrusted }) => {
      if (!isTrusted) return; // a key's, of which more may follow: ranges.js
      isHeld = false;
      if (latest) settle();
    });
  document.addEventListener("keydown", (event) => {
    const isZ = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!isZ || element.offsetParent === null || event.target.matches(TYPING)) return;
    event.preventDefault();
    go(event.shiftKey ? 1 : -1);
  });
  undo.addEventListener("click", () => go(-1));
  redo.addEventListener("click", () => go(1));
  show();

  return {
    moved(state) {
      latest = state;
      clearTimeout(timer);
      if (!steps.has(0)) return settle(); // the first to go back to, however soon a gesture follows
      if (!isHeld) timer = setTimeout(settle, REST);
    },
  };
}
