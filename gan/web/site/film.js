// A morph as a file, made in the browser: gan/ui/morph_server.py's `make_film`, in the formats that browsers can write.
import { drawn } from "../engine/choosing.js";
import { doubled } from "../engine/pixels.js";
import { pointOf } from "../engine/points.js";
import { film } from "../latent/interpolation.js";
import { readFace } from "../shared/reading.js";
import { gifOf } from "./gif.js";
import { base64 } from "./png.js";
import { webmOf } from "./webm.js";

const AT_ONCE = 8; // frames
const DRAWING = 0.8; // of the work, where encoding comes after it

// asked: {faces, frames, fps, way, format, side}; tell: is given {share} now and then; isOver: whether nobody waits.
// Returns {name, type, content in base64}, or null where it is over.
export async function makeFilm({ faces, frames, fps, way, format, side }, tell, isOver) {
  const states = faces.map(readFace);
  const { model } = states[0];
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  const encoder = format === "webm" ? webmOf(side, fps) : null;
  const kept = [];
  const draw = async (engine) => {
    const points = [];
    for (const face of states) points.push(await pointOf(engine, face));
    const all = film(points, frames, way).frames;
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const { pixels, size } = await engine.pictures(model, all.slice(at, at + AT_ONCE));
      for (let from = 0; from < pixels.length; from += 4 * size * size) {
        if (isOver()) return false;
        const large = doubled(pixels.subarray(from, from + 4 * size * size), size);
        const picture = await createImageBitmap(new ImageData(large, 2 * size, 2 * size));
        context.drawImage(picture, 0, 0, side, side);
        picture.close();
        if (encoder) encoder.add(canvas);
        else kept.push(context.getImageData(0, 0, side, side).data);
      }
      tell({ share: (DRAWING * at) / all.length });
    }
    return true;
  };
  const isDone = await drawn(model, draw, (error) => Promise.reject(error));
  if (!isDone) return null;
  tell({ share: DRAWING });
  await new Promise((shown) => setTimeout(shown, 50)); // how far it is, before the page stands still for the table
  const bytes = encoder ? await encoder.end() : gifOf(kept, side, fps);
  const type = format === "webm" ? "video/webm" : "image/gif";
  return { name: `${model}-morph.${format}`, type, content: base64(bytes) };
}
