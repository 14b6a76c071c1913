// Under the picture, once the sliders rest: what a classifier sees in it, and what the last change moved besides its own.
// The picture's description for those who do not see it says the same. Where the browser draws, the server is not asked.
import { drawn } from "../engine/choosing.js";
import { pointOf } from "../engine/points.js";
import { ask } from "../shared/asking.js";
import { write } from "../shared/elements.js";
import { same } from "../shared/state.js";
import { listen } from "../shared/telling.js";
import { describe } from "../shared/words.js";
import { changed, hint, inWords, nothingSeen, sees, sideEffects } from "./words.js";

const REST = 400; // milliseconds
const KINDS = { faces: false, digits: true }; // of pictures that a classifier knows: whether its labels are exclusive

export function mount({ element, server }) {
  const [place, seesLine, movesLine] = ["div", ".sees", ".moves"].map((selector) => element.querySelector(selector));
  let face = null;
  let before = null; // {face, seen} of the last rest
  let shown = null; // {face, words}: what is told of the picture
  let timer;

  const isTold = () => Boolean(shown) && same(face, shown.face); // drawn anew, or come back to

  async function look(about) {
    const asked = face;
    // Of a model whose pictures are unknown to it, the server need not be asked.
    const askServer = () => (about.seen === false ? {} : ask(server, "see", { face: JSON.stringify(asked) }));
    const seen = await drawn(asked.model, async (engine) => (await seenHere(engine, asked)) ?? askServer(), askServer);
    if (asked !== face) return;
    place.classList.remove("old");
    if (!seen.labels) return tellNothing(seen.problem ? "" : nothingSeen);
    const moves = before && changed(before.face, asked);
    write(seesLine, sees(seen));
    write(movesLine, moves?.length ? sideEffects(moves, before.seen, seen) : hint);
    before = { face: asked, seen };
    shown = { face: asked, words: describe(asked, inWords(seen)) };
    tellPicture();
  }

  function tellNothing(why) {
    write(seesLine, why);
    write(movesLine, "");
    before = shown = null;
  }

  // Whichever is there first, the picture or what is seen in it.
  function tellPicture() {
    const picture = document.querySelector("#stage .picture[data-face]");
    if (!shown || !picture || !same(JSON.parse(picture.dataset.face), shown.face)) return;
    picture.querySelector("img").alt = shown.words;
    picture.querySelector("canvas").setAttribute("aria-label", shown.words);
  }

  listen("face-moved", (text) => {
    face = JSON.parse(text);
    clearTimeout(timer);
    place.classList.toggle("old", !isTold());
  });
  listen("face-shown", ({ about }) => {
    clearTimeout(timer);
    if (!about) return tellNothing(""); // there is a notice in the picture's place
    tellPicture();
    if (!isTold()) timer = setTimeout(look, REST, about);
  });
}

// {} where no classifier knows such pictures; null where this browser cannot tell.
async function seenHere(engine, face) {
  try {
    const { networks, data } = await engine.open(face.model);
    const { classifier } = networks;
    if (!classifier || KINDS[data.kind] !== classifier.exclusive) return {};
    const { z, psi } = await pointOf(engine, face);
    const point = { z: row(z), psi: { data: Float32Array.of(psi), dims: [1] } };
    const { picture } = await engine.run(face.model, "generator", point);
    const { probabilities } = await engine.run(face.model, "classifier", { picture });
    return { labels: classifier.labels, probabilities: [...probabilities.data], exclusive: classifier.exclusive };
  } catch (error) {
    console.warn(`What is seen in ${face.model}'s picture is not known here:`, error);
    return null;
  }
}

const row = (data) => ({ data, dims: [1, data.length] });
