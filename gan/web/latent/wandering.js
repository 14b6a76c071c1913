// An endless walk on the sphere, through the faces of random seeds.
import { arc } from "./interpolation.js";
import { latents } from "./seeds.js";
import { dot, length } from "./vectors.js";

const PACE = 0.3; // radians a second
const SEEDS = 2 ** 32;

// A walker: step(seconds) -> z: Float32Array(z_dim), that much further at an even pace, whatever lies ahead.
// model: {z_dim, z_distribution}; z: where it begins; random: gives 0 to 1.
export function wanderer(model, z, random = Math.random) {
  let at = null; // where the way from one face to the next is at a share of it
  let end = z;
  let wide = 0; // radians from one to the other
  let gone = 0; // of them

  function turn() {
    const from = end;
    end = latents(model, Math.floor(random() * SEEDS));
    const cosine = dot(from, end) / Math.max(length(from) * length(end), 1e-12);
    wide = Math.acos(Math.min(Math.max(cosine, -1), 1));
    at = arc(from, end);
  }

  turn();
  return (seconds) => {
    gone += PACE * seconds;
    while (gone >= wide) {
      gone -= wide;
      turn();
    }
    return at(gone / wide);
  };
}
