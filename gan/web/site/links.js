// The face that a link names: the reverse of shared/state.js's toQuery, as gan/ui/state.py reads it.
import { FaceError } from "../latent/face.js";
import { checkedFace } from "../shared/reading.js";

export const PARAMETERS = ["model", "seed", "truncation", "latent", "move", "z", "own", "pad"];
const MOST = 40_000; // characters of one

// values: the link's parameters by name; what it does not give comes from `otherwise`, but for changes, of which there
// are none then. Throws FaceError.
export function readLink(values, otherwise) {
  if (!PARAMETERS.some((key) => key in values)) return otherwise;
  const model = values.model ?? otherwise.model;
  return checkedFace({
    model,
    seed: "seed" in values ? whole("seed", values.seed) : otherwise.seed,
    truncation: "truncation" in values ? real("truncation", values.truncation) : otherwise.truncation,
    offsets: pairs(values.z, (name) => whole("dimension", name), "offset", "dimension:value", "3:0.5,17:-1.25"),
    latent: values.latent ?? "",
    directions: pairs(values.move, (name) => name, "direction", "name:value", "Smile:1.5,Hat:-2"),
    own: own(values.own, model),
    pad: values.pad ? values.pad.split(",") : [],
  });
}

function pairs(text, key, what, form, like) {
  const found = {};
  for (const part of parts(text)) {
    const colon = part.indexOf(":");
    if (colon < 0) throw new FaceError(`'${short(part)}': expected ${form} pairs with commas, like ${like}`);
    found[key(part.slice(0, colon))] = real(what, part.slice(colon + 1));
  }
  return found;
}

const own = (text, model) =>
  parts(text).map((part) => {
    const [name, has, lacks, other, ...more] = part.split(":");
    if (lacks === undefined || more.length)
      throw new FaceError(`own='${short(text)}': expected name:seeds:seeds with commas, like Hat:3.17:5.9`);
    const [one, two] = [has, lacks].map((list) => list.split(".").map((seed) => whole("seed", seed)));
    return { name, model: other === undefined ? model : decoded(other), has: one, lacks: two };
  });

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FaceError(`model '${short(text)}': expected the name of a model as a link writes it`);
  }
}

const parts = (text) => (text ? text.slice(0, MOST).split(",") : []);

function whole(name, text) {
  if (!/^\d{1,12}$/.test(text)) throw new FaceError(`${name} '${short(text)}': expected a whole number of 0 or more`);
  return Number(text);
}

function real(name, text) {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new FaceError(`${name} '${short(text)}': expected a number`);
  return value;
}

const short = (text) => (text.length <= 38 ? text : `${text.slice(0, 35)}...`);
