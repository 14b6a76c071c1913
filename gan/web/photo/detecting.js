// Looks for the largest face of a photo, in this browser where it draws; nothing is sent.
import { drawn } from "../engine/choosing.js";
import { facesIn, isSame, SIDE, toInputs } from "./blazeface.js";

const TOLD = "detector.json"; // of the network's file, beside what the browser draws with
const FROM = [1, 1.67]; // longer sides of the photo that are looked at: from afar for a face that fills the photo
const CLOSER = 3; // sides of a face's box that a second look takes in: in it the marks lie better
const SURE = 0.7; // of its score then: much that is no face is one at a glance only
const MOST = 4; // faces that are looked at twice

// model: that is drawn here. {marks}: of the largest face as blazeface.js gives them, in pixels of the photo, or null
// where there is no face; null where it could not be looked for.
export function findFace(model, photo) {
  const look = async (engine) => {
    try {
      const { network } = await engine.told(TOLD);
      if (!network) return null;
      return { marks: await marksIn(photo, (inputs) => engine.runFile(model, network, inputs)) };
    } catch (error) {
      console.warn("No face was looked for in this photo:", error);
      return null;
    }
  };
  return drawn(model, look, () => null);
}

// run: of BlazeFace, inputs -> promise of outputs. The marks of the largest face in pixels of the photo, or null.
export async function marksIn(photo, run) {
  const look = async (square) => facesIn(await run(toInputs(cut(photo, square)))).map((face) => placed(face, square));
  const { width, height } = photo;
  for (const sides of FROM) {
    const faces = await look({ x: width / 2, y: height / 2, side: sides * Math.max(width, height) });
    for (const face of faces.slice(0, MOST)) {
      const near = await look({ x: face.x, y: face.y, side: CLOSER * face.width });
      const itself = near.find((other) => other.score >= SURE && isSame(other, face));
      if (itself) return itself.marks;
    }
  }
  return null;
}

// The pixels in a square of the photo; beside the photo they are black.
function cut(photo, { x, y, side }) {
  const copy = document.createElement("canvas");
  copy.width = copy.height = SIDE;
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, SIDE, SIDE);
  context.scale(SIDE / side, SIDE / side);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, side / 2 - x, side / 2 - y);
  return context.getImageData(0, 0, SIDE, SIDE).data;
}

// A face in shares of a square's side, in pixels of the photo.
function placed(face, { x, y, side }) {
  const place = ([right, down]) => [x + (right - 0.5) * side, y + (down - 0.5) * side];
  const [middle, ...marks] = [[face.x, face.y], ...face.marks].map(place);
  const [width, height] = [face.width, face.height].map((share) => share * side);
  return { score: face.score, x: middle[0], y: middle[1], width, height, marks };
}
