// The faces that were there, one after the other, and a place among them.
import { same } from "../shared/state.js";

const MOST = 100;

export function buildSteps() {
  let faces = [];
  let at = -1;

  return {
    // Another face: those that were taken back are gone.
    put(face) {
      if (at >= 0 && same(faces[at], face)) return;
      faces = [...faces.slice(0, at + 1), face].slice(-MOST);
      at = faces.length - 1;
    },
    // The face that is `by` steps from here, and from now on the place; null where there is none.
    go(by) {
      if (!faces[at + by]) return null;
      at += by;
      return faces[at];
    },
    has: (by) => Boolean(faces[at + by]),
  };
}
