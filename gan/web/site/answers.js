// What gan/ui/explore_server.py answers, found in a browser that has no server: data in, data out.
import { drawn, prepare } from "../engine/choosing.js";
import { FaceError, fitted } from "../latent/face.js";
import { decodeLatent } from "../latent/numbers.js";
import { pngOf } from "./png.js";
import { readLink } from "./links.js";
import { checkedDirection, checkedFace, cleanName, readFace } from "../shared/reading.js";
import { entitled } from "../shared/words.js";
import { bases, choose, OWN, standOf } from "../explore/sliders.js";

const DOWNLOAD_SIZE = 512; // pixels, at least
const MOST_OWN = 4;
const BEGIN = { seed: 0, truncation: 1, offsets: {}, latent: "", directions: {}, own: [], pad: [] };

// models: their names, at least one; the first is the one to begin with.
export function buildAnswers(models) {
  const begin = () => checkedFace({ ...BEGIN, model: models[0] });
  const current = ({ face }) => (face ? readFace(face) : begin());
  const here = (model, work) => drawn(model, work, refuse);
  const factsOf = (model) => here(model, (engine) => engine.open(model));

  // All that the tab shows of the face that `make` gives.
  async function shown(make, asked, note = "") {
    let face;
    try {
      face = make();
    } catch (error) {
      return notice(error);
    }
    const named = { model: face.model, models };
    try {
      check(face.model);
      prepare(face.model);
      const facts = await factsOf(face.model);
      const before = face;
      face = fitted(before, facts);
      if (before.latent && !face.latent)
        note =
          `This face was ${decodeLatent(before.latent).length} numbers of its own, and ${entitled(face.model)} draws ` +
          `from ${facts.z_dim}: seed ${face.seed} is shown instead.`;
      const picture = await here(face.model, (engine) => engine.draw(face, !asked.pixels));
      const { seed, truncation } = face;
      const changed = { face: JSON.stringify(face), seed, truncation, note, own: ownOf(face) };
      return { ...changed, ...named, ...slidersOf(face, facts, asked), ...picture };
    } catch (error) {
      return { ...notice(error, face.model), face: JSON.stringify(face), ...named };
    }
  }

  function check(model) {
    if (!models.includes(model)) throw new FaceError(`no model '${model}': there are: ${models.join(", ")}`);
  }

  return {
    // The page opens: query holds its link's parameters by name.
    open(asked) {
      let face = begin();
      let note = "";
      try {
        const linked = readLink(asked.query, face);
        check(linked.model);
        face = linked;
      } catch (error) {
        note = `This link cannot be followed: ${sentence(error)}.`;
      }
      return shown(() => face, asked, note);
    },
    choose: (asked) => shown(() => checkedFace({ ...current(asked), model: asked.model }), asked),
    // state: "" stands for the face to begin with.
    restore: (asked) => shown(() => current({ face: asked.state }), asked),
    // A direction out of marked faces: its name, seeds that have it, and that lack it.
    make(asked) {
      try {
        const face = current(asked);
        const made = checkedDirection({ name: asked.name, model: face.model, has: asked.has, lacks: asked.lacks });
        const more = checkedFace({ ...face, own: [...face.own, made] });
        return shown(() => more, { ...asked, basis: OWN });
      } catch (error) {
        return shown(() => current(asked), asked, `No slider was made: ${sentence(error)}.`);
      }
    },
    remove: (asked) =>
      shown(() => {
        const face = current(asked);
        const name = cleanName(asked.name);
        const own = face.own.filter((one) => one.model !== face.model || one.name !== name);
        const { [`~${name}`]: _, ...directions } = face.directions;
        return { ...face, own, directions };
      }, asked),
    // Other sliders of the same face.
    async sliders(asked) {
      const face = current(asked);
      return slidersOf(face, await factsOf(face.model), asked);
    },
    // A PNG to keep of a link's query; smooth: enlarged without visible pixels.
    async download({ query, smooth }) {
      try {
        const face = readLink(Object.fromEntries(new URLSearchParams(query)), begin());
        const { picture } = await here(face.model, (engine) => engine.draw(face, false));
        const name = `${face.model.replaceAll("/", "-")}-${face.latent ? "latent" : `seed${face.seed}`}.png`;
        return { name, png: await pngOf(picture, DOWNLOAD_SIZE, smooth, JSON.stringify(face)) };
      } catch (error) {
        return { problem: sentence(error) };
      }
    },
  };
}

function refuse(error) {
  throw error;
}

function slidersOf(face, facts, asked) {
  const available = bases(face, facts);
  const [basis, page] = choose(available, face, asked.basis, asked.page, asked.key);
  const sliders = available[basis][page].map((one) => ({ ...one, value: standOf(one.key, face) }));
  return { bases: Object.keys(available), basis, pages: Object.keys(available[basis]), page, sliders };
}

function ownOf(face) {
  const made = face.own.filter(({ model }) => model === face.model);
  return {
    model: face.model,
    made: made.map(({ name, has, lacks }) => ({ name, has: has.length, lacks: lacks.length })),
    elsewhere: face.own.length - made.length,
    full: face.own.length >= MOST_OWN,
    most: MOST_OWN,
  };
}

const notice = (error, model) => ({ notice: sentence(error, model) });

// In words; model: that could not be had.
function sentence(error, model = "This model") {
  if (error instanceof FaceError) return error.message;
  console.warn(error);
  if (error instanceof TypeError)
    return `${model} did not come: there is no network, and this browser has not kept it. Choose another model, or try again later.`;
  return `${model} cannot be drawn here (${error.message}): choose another model, or reload the page.`;
}
