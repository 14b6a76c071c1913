// What gan/ui/replay_server.py answers about a face through the epochs, found in the browser that draws.
import { pointOf } from "../engine/points.js";
import { FaceError } from "../latent/face.js";
import { sheetOf } from "../shared/painting.js";
import { readFace } from "../shared/reading.js";
import { changes, origin } from "../shared/state.js";

// A face, as JSON, by every snapshot of a run: {run, about, images: of each picture, picture: a canvas of all in a row},
// or {run, problem}. engine: of engine/local.js; told: is given how many of how many are drawn;
// title: gives what people call a model.
export async function stripOf(engine, { face: text, run }, told, title = (name) => name) {
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
    const { files } = model.snapshots;
    let row;
    for (const [at, { number }] of files.entries()) {
      told(at, files.length);
      const { pixels, size } = await engine.pictures(run, [point], number);
      row ??= { pixels: new Uint8ClampedArray(files.length * pixels.length), size };
      row.pixels.set(pixels, at * pixels.length);
    }
    const picture = sheetOf(row.pixels, row.size, files.length);
    return { run, about: inWords(face, run, title), images: files.map((file) => file.images_seen), picture };
  } catch (error) {
    if (error instanceof FaceError) return { run, problem: error.message };
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
