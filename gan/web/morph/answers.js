// What gan/ui/morph_server.py and gan/ui/arithmetic_server.py answer, found in the browser that draws: each of these is
// given the engine (engine/local.js) and what the server would be asked, and gives what it would answer, or throws
// FaceError.
import { pointOf } from "../engine/points.js";
import { equation } from "../latent/arithmetic.js";
import { FaceError, latentOf, plain } from "../latent/face.js";
import { film } from "../latent/interpolation.js";
import { latents } from "../latent/seeds.js";
import { sheetOf, smoothAddress } from "../shared/painting.js";
import { MAX_SEED, readFace } from "../shared/reading.js";
import { changes, origin } from "../shared/state.js";

const CHOICES = 24; // faces to choose from

export const answers = {
  async morph_faces(engine, { model, faces }) {
    const found = [];
    let problem = "";
    for (const text of faces) {
      try {
        const face = readFace(text);
        if (face.model !== model)
          throw new FaceError(
            `This face is one of ${face.model}, and the morph is of ${model}: choose ${face.model} as its model`,
          );
        const [picture] = await engine.thumbnails(model, [await pointOf(engine, face)]);
        const name = origin(face) + (changes(face) || face.truncation !== 1 ? ", changed" : "");
        found.push({ face: JSON.stringify(face), name, picture });
      } catch (error) {
        if (!(error instanceof FaceError)) throw error;
        problem ||= error.message;
      }
    }
    return { faces: found, problem };
  },

  // With its picture itself in the place of the address of a sheet.
  async morph_film(engine, { faces, frames, way }) {
    const states = faces.map(readFace);
    const points = [];
    for (const face of states) points.push(await pointOf(engine, face));
    const made = film(points, frames, way);
    const { pixels, size } = await engine.pictures(states[0].model, made.frames);
    const columns = Math.ceil(Math.sqrt(frames));
    const picture = await createImageBitmap(sheetOf(pixels, size, columns));
    return { picture, columns, cell: size, side: size, frames, stops: made.stops };
  },

  // As it was found when the model was exported.
  async arithmetic_example(engine, { model }) {
    return (await engine.open(model)).example;
  },

  async arithmetic_grid(engine, { model, start }) {
    const first = Math.min(Math.max(0, start), MAX_SEED + 1 - CHOICES);
    const facts = await engine.open(model);
    const points = Array.from({ length: CHOICES }, (_, at) => plain(latents(facts, first + at)));
    return { start: first, faces: await engine.thumbnails(model, points) };
  },

  async arithmetic_solve(engine, { model, terms }) {
    const facts = await engine.open(model);
    const { zs, averages, results } = equation(facts, model, terms);
    const { pixels, size } = await engine.pictures(model, averages.map(plain));
    const area = 4 * size * size;
    // As rounded in a state, so that Explore shows the same.
    const small = [...zs.flat().map(plain), ...results.map((face) => latentOf(face, facts))];
    const pictures = await engine.thumbnails(model, small);
    return {
      terms: terms.map((seeds) => pictures.splice(0, seeds.length)),
      averages: averages.map((_, at) => smoothAddress(pixels.subarray(at * area, (at + 1) * area), size)),
      results: results.map((face, at) => ({ face: JSON.stringify(face), picture: pictures[at] })),
    };
  },
};
