// Pixels as what a page shows.
import { doubled } from "../engine/pixels.js";

const LOSSY = ["image/jpeg", 0.92];

// A sheet of square pictures, row by row, as a canvas. pixels: Uint8ClampedArray, RGBA, a picture after another.
export function sheetOf(pixels, size, columns) {
  const area = 4 * size * size;
  const count = pixels.length / area;
  const canvas = document.createElement("canvas");
  canvas.width = columns * size;
  canvas.height = Math.ceil(count / columns) * size;
  const context = canvas.getContext("2d");
  for (let at = 0; at < count; at++) {
    const picture = new ImageData(pixels.subarray(at * area, (at + 1) * area), size, size);
    context.putImageData(picture, (at % columns) * size, Math.floor(at / columns) * size);
  }
  return canvas;
}

// What an <img> takes of one picture that is shown large, so that no pixel is seen.
export const smoothAddress = (pixels, size) => sheetOf(doubled(pixels, size), 2 * size, 1).toDataURL(...LOSSY);
