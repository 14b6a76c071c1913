// A - B + C of latent vectors: gan/latent/morph.py's sums in the browser. What is found has the length that the model's
// latent vectors have, where its pictures keep their contrast.
import { FaceError, faceOf } from "./face.js";
import { latents } from "./seeds.js";
import { combined, length, mean, scaled } from "./vectors.js";

const NEIGHBOUR_NOISE = 0.25; // half the width of the uniform noise around a result (Radford et al. 2016, figure 7)

const NEAR = 8; // results around a sum

// All that an equation shows: {zs: of each term's seeds, averages: of each term, results: faces as states, the sum in the
// middle of those around it}. model: of `readModel`; terms: seeds of A, B and C. Throws FaceError.
export function equation(model, name, terms) {
  const zs = terms.map((seeds) => seeds.map((seed) => latents(model, seed)));
  const sum = arithmetic(model, ...zs);
  const near = neighbours(sum, NEAR);
  const results = [...near.slice(0, NEAR / 2), sum, ...near.slice(NEAR / 2)].map((z) => faceOf(name, z));
  return { zs, averages: zs.map((term) => average(model, term)), results };
}

// a, b, c: latent vectors each, at least one. Throws FaceError where they add up to nothing.
export function arithmetic(model, a, b, c) {
  const terms = [a, b, c].map((zs) => average(model, zs));
  return onSphere(
    model,
    combined((one, two, three) => one - two + three, ...terms),
  );
}

// What some latent vectors have in common.
export const average = (model, zs) => onSphere(model, mean(zs));

// n latent vectors around one, always the same.
export function neighbours(z, n) {
  const uniform = { z_dim: z.length, z_distribution: "uniform" };
  const around = (seed) => combined((one, noise) => one + NEIGHBOUR_NOISE * noise, z, latents(uniform, seed));
  return Array.from({ length: n }, (_, seed) => around(seed));
}

function onSphere({ z_dim, z_distribution }, z) {
  const long = length(z);
  if (long < 1e-6)
    throw new FaceError("these latent vectors add up to zero, which has no direction: choose other faces");
  return scaled(z, Math.sqrt(z_distribution === "uniform" ? z_dim / 3 : z_dim) / long);
}
