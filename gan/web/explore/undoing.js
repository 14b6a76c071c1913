// Undo and redo of faces: one that was there is wished for as any other, and another only when it has come.
import { same } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";
import { buildUndoing } from "../shared/undoing.js";

const AGAIN = 5000; // milliseconds after a face that did not come

// element: of the tab, with the buttons in it.
export function undoFaces(element) {
  let wanted = null; // the face to go to, until it is there
  let asked = null; // the face that is under way
  let waiting;

  function ask() {
    asked = wanted;
    clearTimeout(waiting);
    waiting = setTimeout(arrive, AGAIN);
    tell("face-wanted", JSON.stringify(asked));
  }

  function arrive() {
    asked = null;
  }

  const undoing = buildUndoing(element, {
    same,
    put(face) {
      wanted = face;
      if (!asked) ask();
    },
  });
  listen("face-moved", (text) => {
    const face = JSON.parse(text);
    if (!asked || !same(asked, face)) return undoing.moved(face);
    arrive();
    if (!same(wanted, face)) ask();
  });
}
