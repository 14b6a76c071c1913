// Directions that a visitor made of marked faces: from the mean of some towards the mean of others (Radford et al. 2016,
// section 6.3.2), as strong as the other sliders: gan/latent/directions.py's equal_strength in the browser.
import { latents } from "./seeds.js";
import { combined, length, mean, scaled } from "./vectors.js";

export const OWN = "~"; // before the name of an own direction among a face's directions
const JUDGED = 8; // seeds that the strength is measured on
const ROUNDS = 3; // of correcting it
const CORRECTION = [0.4, 2.5]; // least and most of one round

// Whatever its name is, the same faces make the same direction.
export const ownKey = ({ has, lacks }) => `${has.join(".")}:${lacks.join(".")}`;

// Whether `latentOf` knows all own directions that a face is moved by.
export const isMeasured = (face, model) => !unknown(face, model).length;

// Measures those that it does not know, each once per model.
// draw: latent vectors -> promise of their pictures' pixels at psi = 1, RGBA, one after another.
export async function measureOwn(face, model, draw) {
  for (const direction of unknown(face, model))
    model.own.set(ownKey(direction), await measured(direction, model, draw));
}

const unknown = (face, model) =>
  face.own.filter(
    (direction) =>
      direction.model === face.model && OWN + direction.name in face.directions && !model.own.has(ownKey(direction)),
  );

async function measured({ has, lacks }, model, draw) {
  const [one, other] = [has, lacks].map((seeds) => mean(seeds.map((seed) => latents(model, seed))));
  const difference = combined((a, b) => a - b, one, other);
  const unit = scaled(difference, 1 / length(difference));
  const zs = Array.from({ length: JUDGED }, (_, seed) => latents(model, seed));
  const usual = zs.reduce((sum, z) => sum + length(z), 0) / JUDGED;
  const here = await draw(zs);
  const wanted = [1, 2, 3].reduce((sum, shift) => sum + apart(here, turned(here, shift)), 0) / 3;
  let reach = usual / 4;
  for (let round = 0; round < ROUNDS; round++) {
    const moved = (sign) => zs.map((z) => combined((a, b) => a + sign * reach * b, z, unit));
    const drawn = await draw([...moved(-1), ...moved(1)]);
    const change = apart(drawn.subarray(0, drawn.length / 2), drawn.subarray(drawn.length / 2));
    const factor = Math.min(Math.max(wanted / Math.max(change, 1e-3), CORRECTION[0]), CORRECTION[1]);
    reach = Math.min(usual, reach * factor);
  }
  return scaled(unit, reach / model.directions.reach);
}

// The same pictures, each in the place of one some places further.
function turned(pixels, places) {
  const first = (pixels.length / JUDGED) * places;
  const found = new Uint8ClampedArray(pixels.length);
  found.set(pixels.subarray(pixels.length - first));
  found.set(pixels.subarray(0, pixels.length - first), first);
  return found;
}

// Mean absolute difference, grey levels; opacity, the fourth of four, is no difference.
function apart(one, other) {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += Math.abs(one[at] - other[at]);
  return sum / (one.length * 0.75);
}
