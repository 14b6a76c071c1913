// Where a face is drawn.
import { latentOf, plain } from "../latent/face.js";
import { measureOwn } from "../latent/own.js";

// {z, psi} of a face, whose own directions are measured first. engine: of local.js. Rejects with latent/face.js's
// FaceError where the model cannot draw it.
export async function pointOf(engine, face) {
  const model = await engine.open(face.model);
  await measureOwn(face, model, async (zs) => (await engine.pictures(face.model, zs.map(plain))).pixels);
  return latentOf(face, model);
}
