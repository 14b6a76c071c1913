// A - B + C as one PNG, laid out as gan/ui/arithmetic_server.py does it, with the state of its result.
import { drawn } from "../engine/choosing.js";
import { doubled } from "../engine/pixels.js";
import { equation } from "../latent/arithmetic.js";
import { FaceError, latentOf, plain } from "../latent/face.js";
import { pngWith } from "./png.js";

const [AVERAGE, FACE, RESULT] = [256, 80, 112]; // pixels of a side
const [GAP, SIGN, MARGIN, CAPTION] = [8, 72, 32, 48];
const [INK, FAINT] = ["#24211e", "#7d766b"];

// {model, terms: seeds of A, B, C, names: of them and the result} -> {name, type, content in base64}.
export async function pictureEquation({ model, terms, names }) {
  const draw = async (engine) => {
    const facts = await engine.open(model);
    const { zs, averages, results } = equation(facts, model, terms);
    const pictures = async (points) => separate(await engine.pictures(model, points));
    const canvas = laidOut(
      await Promise.all(zs.map((term) => pictures(term.map(plain)))),
      await pictures(averages.map(plain)),
      await pictures(results.map((face) => latentOf(face, facts))),
      names,
    );
    const content = await pngWith(canvas, JSON.stringify(results[(results.length - 1) / 2]));
    return { name: `${model}-arithmetic.png`, type: "image/png", content };
  };
  return drawn(model, draw, (error) => {
    if (error instanceof FaceError) return { problem: error.message };
    console.warn(error);
    return { problem: "It was not drawn: try again in a moment." };
  });
}

// Canvases of twice the pictures' size.
function separate({ pixels, size }) {
  const area = 4 * size * size;
  return Array.from({ length: pixels.length / area }, (_, at) => {
    const canvas = new OffscreenCanvas(2 * size, 2 * size);
    const large = doubled(pixels.subarray(at * area, (at + 1) * area), size);
    canvas.getContext("2d").putImageData(new ImageData(large, 2 * size, 2 * size), 0, 0);
    return canvas;
  });
}

function laidOut(terms, averages, results, names) {
  const height = FACE + GAP + AVERAGE;
  const right = MARGIN + 3 * (AVERAGE + SIGN);
  const canvas = document.createElement("canvas");
  canvas.width = right + height + MARGIN;
  canvas.height = height + 2 * MARGIN + CAPTION;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.textAlign = "center";
  const write = (text, x, y, pixels, colour, baseline) => {
    Object.assign(context, { font: `${pixels}px sans-serif`, fillStyle: colour, textBaseline: baseline });
    context.fillText(text, x, y);
  };
  for (const [column, faces] of terms.entries()) {
    const left = MARGIN + column * (AVERAGE + SIGN);
    for (const [place, face] of faces.entries())
      context.drawImage(face, left + place * (FACE + GAP), MARGIN, FACE, FACE);
    context.drawImage(averages[column], left, MARGIN + FACE + GAP, AVERAGE, AVERAGE);
    write("–+="[column], left + AVERAGE + SIGN / 2, MARGIN + FACE + GAP + AVERAGE / 2, 56, FAINT, "middle");
  }
  const step = (height - RESULT) / 2;
  for (const [place, result] of results.entries())
    context.drawImage(result, right + (place % 3) * step, MARGIN + Math.floor(place / 3) * step, RESULT, RESULT);
  for (const [place, name] of names.entries()) {
    const width = place < 3 ? AVERAGE : height;
    write(name, MARGIN + place * (AVERAGE + SIGN) + width / 2, MARGIN + height + 14, 22, INK, "top");
  }
  return canvas;
}
