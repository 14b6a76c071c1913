// From a face (shared/state.js) to what its model draws it of: gan/ui/state.py's Face.z in the browser.
import { decodeLatent, encodeLatent } from "./numbers.js";
import { OWN, ownKey } from "./own.js";
import { latents } from "./seeds.js";

// A face that its model cannot draw; the message says why.
export class FaceError extends Error {}

// {z: Float32Array(z_dim), psi}. model: of `readModel`; own directions that the face is moved by must have been measured
// (own.js). Throws FaceError.
export function latentOf(face, model) {
  const z = baseOf(face, model);
  const steps = stepsOf(face, model);
  for (const [name, value] of Object.entries(face.directions).sort(byName)) {
    const step = steps.get(name);
    if (!step) throw new FaceError(`${face.model} has no direction '${name}': ${known(steps)}`);
    // In the same steps of float32 as Python: links must not draw two pictures.
    for (let at = 0; at < z.length; at++) z[at] += Math.fround(Math.fround(value) * step[at]);
  }
  for (const [dimension, value] of Object.entries(face.offsets)) {
    if (Number(dimension) >= z.length)
      throw new FaceError(
        `offset in dimension ${dimension}: ${face.model} has ${z.length} dimensions, numbered 0 to ${z.length - 1}`,
      );
    z[dimension] += Math.fround(value);
  }
  return { z, psi: face.truncation };
}

// The face of a latent vector, as a state.
export const faceOf = (model, z) => {
  return { model, seed: 0, truncation: 1, offsets: {}, latent: encodeLatent(z), directions: {}, own: [], pad: [] };
};

// Where a latent vector is drawn as it is.
export const plain = (z) => ({ z, psi: 1 });

// Without what a model does not have; own directions are kept, and the pad only with both of its sliders.
export function fitted(face, { z_dim, vectors }) {
  const mine = face.own.filter(({ model }) => model === face.model).map(({ name }) => OWN + name);
  const only = (values, isKnown) => Object.fromEntries(Object.entries(values).filter(([name]) => isKnown(name)));
  const hasDimension = (dimension) => Number(dimension) < z_dim;
  const hasDirection = (name) => vectors.has(name) || mine.includes(name);
  const has = (key) =>
    key === "truncation" || (key.startsWith("z:") ? hasDimension : hasDirection)(key.slice(key.indexOf(":") + 1));
  return {
    ...face,
    offsets: only(face.offsets, hasDimension),
    latent: face.latent && decodeLatent(face.latent).length === z_dim ? face.latent : "",
    directions: only(face.directions, hasDirection),
    pad: face.pad.every(has) ? face.pad : [],
  };
}

// Before anything moves it: its own latent, or else its seed's.
function baseOf(face, model) {
  if (!face.latent) return latents(model, face.seed);
  const z = decodeLatent(face.latent);
  if (z.length !== model.z_dim) throw new FaceError(`latent of ${z.length} numbers: ${face.model} has ${model.z_dim}`);
  return z;
}

// By name, the model's and the visitor's.
function stepsOf(face, model) {
  const mine = face.own.filter((direction) => direction.model === face.model);
  return new Map([
    ...model.vectors,
    ...mine.map((direction) => [OWN + direction.name, model.own.get(ownKey(direction))]),
  ]);
}

const known = (steps) => (steps.size ? `it has ${[...steps.keys()].join(", ")}` : "it has none");

const byName = ([one], [other]) => (one < other ? -1 : 1);
