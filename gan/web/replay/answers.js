// What gan/ui/replay_server.py answers about a face through the epochs, found in the browser that draws.
import { pointOf } from "../engine/points.js";
import { FaceError } from "../latent/face.js";
import { sheetOf } from "../shared/painting.js";
import { readFace } from "../shared/reading.js";
import { changes, origin } from "../shared/state.js";

// A face, as JSON, by every snapshot of a run and last by its weights, or, with `last`, by these only:
// {run, last, about, images: of each picture, picture: a canvas of all in a row}, or {run, last, problem}.
// engine: of engine/local.js; end: images seen of the weights; told: is given how many of how many are drawn;
// title: gives what people call a model.
export async function stripOf(engine, { face: text, run, last, end }, told, title = (name) => name) {
  try {
    const face = readFace(text);
    const [own, model] = [await engine.open(face.model), await engine.open(run)];
    if (own.z_dim !== model.z_dim || own.z_distribution !== model.z_distribution)
      throw new FaceError(
        `The face in Explore is ${own.z_dim} ${own.z_distribution} numbers of ${title(face.model)}, and ` +
          `${title(run)} draws from ${model.z_dim} ${model.z_distribution} ones: choose ${title(face.model)} here, ` +
          `or ${title(run)} there.`,
      );
    const point = await pointOf(engine, face);
    const drawers = last ? [] : [...model.snapshots.files];
    if (!(drawers.at(-1)?.images_seen >= end)) drawers.push({ images_seen: end }); // no snapshot: the weights
    let row;
    for (const [at, { number }] of drawers.entries()) {
      told(at, drawers.length);
      const { pixels, size } = await engine.pictures(run, [point], number);
      row ??= { pixels: new Uint8ClampedArray(drawers.length * pixels.length), size };
      row.pixels.set(pixels, at * pixels.length);
    }
    const picture = sheetOf(row.pixels, row.size, drawers.length);
    const images = drawers.map(({ images_seen }) => images_seen);
    return { run, last, about: inWords(face, run, title), images, picture };
  } catch (error) {
    if (error instanceof FaceError) return { run, last, problem: error.message };
    throw error;
  }
}

// Whose face it is. face: a state; run: who draws it.
export function inWords(face, run, title) {
  const moved = changes(face);
  const words = origin(face) + (moved ? `, ${moved} of its sliders moved` : "");
  const other = `: what ${title(face.model)} draws in Explore is here what ${title(run)} made of the same numbers`;
  const about = `${words}, truncation ${face.truncation}${face.model === run ? "" : other}`;
  return about[0].toUpperCase() + about.slice(1);
}
