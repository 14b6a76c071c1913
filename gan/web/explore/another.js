// Another face in the place of the one that is shown: a random one, one of the grid, the same without its changes, or
// what another part of the page wishes for. Where the browser draws, the server is not asked.
import { draws, drawn } from "../engine/choosing.js";
import { fitted } from "../latent/face.js";
import { readFace } from "../shared/reading.js";
import { same } from "../shared/state.js";
import { listen } from "../shared/telling.js";
import { RANDOM_SEEDS } from "./controls.js";

const ofSeed = (face, seed) => ({ ...face, seed, latent: "" }); // sliders stay where they are
const MADE = {
  random: (face) => ofSeed(face, Math.floor(Math.random() * RANDOM_SEEDS)),
  reset: (face) => ({ ...face, offsets: {}, directions: {}, truncation: 1 }),
};

// now(): {face, isDrawn}, the face null while there is none; put(face): shows it, whose model and own directions are
// those of the face before; ask(state): has it shown with all of its controls, where "" stands for the first face.
export function watchWishes(now, put, ask) {
  function show(face, state = JSON.stringify(face)) {
    const { face: before, isDrawn } = now();
    const isLike = isDrawn && face && before.model === face.model && same(before.own, face.own);
    if (!isLike || !draws(face.model)) return ask(state);
    drawn(
      face.model,
      async (local) => put(fitted(face, await local.open(face.model))),
      () => ask(state),
    );
  }

  const make = (how) => {
    const { face } = now();
    if (face) show(how(face));
    else ask("");
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("#random, #reset");
    if (button) make(MADE[button.id]);
  });
  listen("face-picked", (seed) => make((face) => ofSeed(face, seed)));
  listen("face-wanted", (state) => show(read(state), state));
}

// null where the text is no face, which who is asked says in words.
function read(text) {
  try {
    return readFace(text);
  } catch (error) {
    console.warn(error);
    return null;
  }
}
