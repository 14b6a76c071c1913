// Which sliders a face has: bases, their pages, and where each slider stands, as gan/ui/explore_sliders.py finds them.
import { OWN as MARK } from "../latent/own.js";

const SLIDERS = 16; // on the page at a time
export const OWN = "Yours";

// face: its own directions count; facts: of its model (latent/model.js). Gives {basis: {page: [{key, label}]}}.
export function bases(face, { z_dim, directions }) {
  const ofKind = (kind) =>
    directions.names.filter((one) => one.kind === kind).map(({ name }) => ({ key: `move:${name}`, label: name }));
  const own = face.own.filter(({ model }) => model === face.model);
  const principal = { SeFa: ofKind("sefa"), GANSpace: ofKind("ganspace") };
  const found = {
    Attributes: pages(ofKind("attribute"), 1),
    Principal: Object.fromEntries(
      Object.entries(principal)
        .filter(([, sliders]) => sliders.length)
        .map(([name, sliders]) => [name, sliders.slice(0, SLIDERS)]),
    ),
    z: pages(
      Array.from({ length: z_dim }, (_, at) => ({ key: `z:${at}`, label: `z ${at}` })),
      0,
    ),
    [OWN]: { "": own.map(({ name }) => ({ key: `move:${MARK}${name}`, label: `${name} (yours)` })) },
  };
  return Object.fromEntries(Object.entries(found).filter(([, its]) => Object.keys(its).length));
}

// Those of a slider's key, else those wanted if there are any, else those of a moved slider, else the first.
export function choose(available, face, basis, page, wanted) {
  for (const [name, its] of Object.entries(available))
    for (const [label, sliders] of Object.entries(its))
      if (sliders.some(({ key }) => key === wanted)) return [name, label];
  const chosen = available[basis]
    ? basis
    : first(
        Object.entries(available).map(([name, its]) => [name, Object.values(its).flat()]),
        face,
      );
  const isThere = typeof page === "string" && available[chosen][page];
  return [chosen, isThere ? page : first(Object.entries(available[chosen]), face)];
}

// Where a slider stands.
export function standOf(key, face) {
  const name = key.slice(key.indexOf(":") + 1);
  return (key.startsWith("z:") ? face.offsets : face.directions)[name] ?? 0;
}

function first(groups, face) {
  const moved = groups.find(([, sliders]) => sliders.some(({ key }) => standOf(key, face)));
  return (moved ?? groups[0])[0];
}

// Named by the numbers of their sliders.
function pages(sliders, from) {
  const found = {};
  for (let at = 0; at < sliders.length; at += SLIDERS) {
    const end = Math.min(at + SLIDERS, sliders.length);
    found[`${at + from}–${end - 1 + from}`] = sliders.slice(at, end);
  }
  return found;
}
