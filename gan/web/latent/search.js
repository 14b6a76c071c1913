// From a picture to the latent vector whose picture comes nearest: gan/latent/projection.py's descent in the browser.
// Its network (gan/export/networks.py's Search) says how far a z is and where it gets nearer.
import { lbfgs } from "./lbfgs.js";
import { latents } from "./seeds.js";

const AT_A_TIME = 8; // candidates
const NEAREST = 1e-10; // mean squared error below which pictures are one

// Where the descent stands: {step: 0 is before any, steps, z: Float32Array, picture: Float32Array in [-1, 1] as the
// network gives it, loss, psnr: dB, distance: of features, over the length of the target's}, of the best up to now.
//
// model: of `readModel`; target: Float32Array in [-1, 1], channel by channel; run: (network, inputs) -> promise of its
// outputs, each a Float32Array, as the worker of gan/web/engine does it. Whoever stops asking ends it.
export async function* descend(model, target, run) {
  const { steps } = model.search;
  const { features } = await run("classifier", { picture: target });
  const look = (z) => run("search", { z, target, target_features: features });
  const start = model.networks.encoder
    ? (await run("encoder", { picture: target })).z
    : await nearest(model, target, features, run);
  const walk = lbfgs(start, model.search);
  let best = null;
  for (let step = 0; step <= steps; step++) {
    const z = walk.asked;
    const seen = await look(z.slice());
    const loss = seen.loss[0];
    if (!best || loss < best.loss || Number.isNaN(best.loss)) {
      const psnr = 10 * Math.log10(4 / Math.max(seen.error[0], NEAREST));
      best = { z, picture: seen.picture, loss, psnr, distance: seen.feature_distance[0] };
    }
    yield { ...best, step, steps };
    if (step === steps) return;
    walk.tell(seen);
  }
}

// Of some seeds the one whose picture is nearest.
async function nearest(model, target, features, run) {
  let best = { loss: Infinity, z: latents(model, 0) };
  for (let first = 0; first < model.search.candidates; first += AT_A_TIME) {
    const seeds = Array.from({ length: Math.min(AT_A_TIME, model.search.candidates - first) }, (_, at) => first + at);
    const zs = seeds.map((seed) => latents(model, seed));
    const many = (one) => joined(seeds.map(() => one));
    const { loss } = await run("search", { z: joined(zs), target: many(target), target_features: many(features) });
    for (const [at, found] of loss.entries()) if (found < best.loss) best = { loss: found, z: zs[at] };
  }
  return best.z;
}

function joined(arrays) {
  const all = new Float32Array(arrays.length * arrays[0].length);
  for (const [at, one] of arrays.entries()) all.set(one, at * one.length);
  return all;
}
