// Between faces, on the sphere: gan/latent/morph.py's films in the browser.
import { combined, dot, length } from "./vectors.js";

const PIECES = 128; // of a leg, in which its length is measured
const PARALLEL = 3e-3; // sine below which there is no arc

// Spherical interpolation (White 2016, arXiv:1609.04468): t = 0 gives a, 1 gives b.
export const slerp = (a, b, t) => arc(a, b)(t);

// slerp of two vectors as a function of t.
export function arc(a, b) {
  const [lengthA, lengthB] = [length(a), length(b)];
  const cosine = dot(a, b) / Math.max(lengthA * lengthB, 1e-24);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  return (t) => {
    if (sine <= PARALLEL) return combined((one, other) => (1 - t) * one + t * other, a, b);
    const long = ((1 - t) * lengthA + t * lengthB) / sine;
    const [shareA, shareB] = [Math.sin((1 - t) * angle) / lengthA, Math.sin(t * angle) / lengthB];
    return combined((one, other) => (shareA * one + shareB * other) * long, a, b);
  };
}

// A film through faces: {frames: [{z, psi}], stops: which frame shows each face}.
// stops: what `latentOf` gives of each, at least 2; frames: how many; way: "loop" round and round, "back" back and
// forth, "once" from the first to the last.
export function film(stops, frames, way) {
  const passed = { loop: [...stops, stops[0]], back: [...stops, ...stops.slice(0, -1).reverse()], once: stops }[way];
  const legs = passed.slice(1).map((to, at) => leg(passed[at], to));
  const steps = way === "once" ? frames - 1 : frames;
  const counts = sharedOut(
    legs.map((one) => one.length),
    steps,
  );
  const made = legs.flatMap((one, at) => one.frames(counts[at]));
  if (way === "once") made.push({ ...stops.at(-1) });
  const starts = [0];
  for (const count of counts) starts.push(starts.at(-1) + count);
  return { frames: made, stops: starts.slice(0, stops.length) };
}

function leg(from, to) {
  const at = arc(from.z, to.z);
  const distances = [0]; // along the arc from its beginning to each of its points
  for (let piece = 1, before = at(0); piece <= PIECES; piece++) {
    const point = at(piece / PIECES);
    distances.push(distances.at(-1) + length(combined((a, b) => a - b, point, before)));
    before = point;
  }
  const psi = (share) => from.psi + share * (to.psi - from.psi);
  return {
    length: distances.at(-1),
    frames: (count) =>
      Array.from({ length: count }, (_, step) => ({
        z: step ? at(whereIs((distances.at(-1) * step) / count, distances)) : from.z,
        psi: psi(step / count),
      })),
  };
}

// t at which a distance is reached.
function whereIs(wanted, distances) {
  const after = Math.max(
    1,
    distances.findIndex((distance) => distance >= wanted),
  );
  const [low, high] = [distances[after - 1], distances[after]];
  return (after - 1 + (high > low ? (wanted - low) / (high - low) : 0)) / PIECES;
}

// Steps per leg, at least one each, so that the longest step is as short as possible; of equally long ones the leg with
// the fewest steps is given the next.
function sharedOut(lengths, steps) {
  const counts = lengths.map(() => 1);
  for (let given = lengths.length; given < steps; given++) {
    const longest = counts.reduce((best, count, at) => {
      const more = lengths[at] / count - lengths[best] / counts[best];
      return more > 0 || (more === 0 && count < counts[best]) ? at : best;
    }, 0);
    counts[longest]++;
  }
  return counts;
}
