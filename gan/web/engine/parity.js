// Whether a browser computes what the server does: a processor or a runtime may have faults of its own.
import { latents } from "../latent/seeds.js";

const FACE = { seed: 1, truncation: 1, offsets: {}, latent: "", directions: {}, own: [], pad: [] };
const MOST = 2; // grey levels between two colours of a pixel

// local: engine of local.js; server: of server.js. Whether both draw the same picture of one seed.
export async function drawsAlike(model, local, server) {
  const facts = await local.open(model);
  const z = latents(facts, FACE.seed);
  const { picture, problem } = await server.draw({ ...FACE, model }, false);
  if (!picture) throw new Error(problem ?? "the server did not draw it");
  const wanted = await pixelsOf(picture, facts.image_size);
  const { pixels } = await local.pictures(model, [{ z, psi: FACE.truncation }]);
  return pixels.every((value, at) => Math.abs(value - wanted[at]) <= MOST);
}

async function pixelsOf(address, size) {
  const image = new Image(size, size);
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, size, size).data;
}
