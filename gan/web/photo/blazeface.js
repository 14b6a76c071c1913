// What the network of MediaPipe's BlazeFace is given, and the faces in what it gives. No DOM.
//
// It looks in grids of 16 x 16 and 8 x 8 cells, several times each, and gives of each place: its score, before
// the sigmoid; and 16 numbers, from the cell's middle in pixels of the picture: the middle of a box, its size, and marks.
const GRIDS = [
  { cells: 16, each: 2, scores: "Identity:0", boxes: "Identity_2:0" },
  { cells: 8, each: 6, scores: "Identity_1:0", boxes: "Identity_3:0" },
];
const NUMBERS = 16;
const MARKS = [4, 6, 10]; // where the eyes begin, from the picture's left, and the mouth; nose and ears are in no plane
const LEAST = 0.5; // of a score
const SAME = 0.3; // of two boxes over both together: they are one face's

export const SIDE = 256; // pixels of the picture's sides

// pixels: RGBA of such a picture.
export function toInputs(pixels) {
  const data = new Float32Array(3 * SIDE * SIDE);
  for (let at = 0; at < SIDE * SIDE; at++)
    for (let c = 0; c < 3; c++) data[3 * at + c] = pixels[4 * at + c] / 127.5 - 1;
  return { "input:0": { data, dims: [1, SIDE, SIDE, 3] } };
}

// outputs: {"Identity:0": {data}, ...}. The faces, the largest first: {score, x, y, width, height, marks: [x, y] of
// both eyes and of the mouth}, in shares of the picture's side; x and y are the middle.
export function facesIn(outputs) {
  const found = GRIDS.flatMap((grid) => placesIn(outputs, grid)).sort((one, other) => other.score - one.score);
  const faces = [];
  while (found.length) {
    const itself = found.filter((place) => isSame(place, found[0]));
    faces.push(mean(itself));
    for (const place of itself) found.splice(found.indexOf(place), 1);
  }
  return faces.sort((one, other) => size(other) - size(one));
}

function placesIn(outputs, { cells, each, scores, boxes }) {
  const found = [];
  outputs[scores].data.forEach((logit, at) => {
    const score = 1 / (1 + Math.exp(-logit));
    if (!(score >= LEAST)) return;
    const cell = Math.floor(at / each);
    const middle = [cell % cells, Math.floor(cell / cells)].map((place) => (place + 0.5) / cells);
    const numbers = [...outputs[boxes].data.subarray(NUMBERS * at, NUMBERS * (at + 1))].map((number) => number / SIDE);
    const place = (from) => middle.map((share, axis) => share + numbers[from + axis]);
    const [x, y] = place(0);
    found.push({ score, x, y, width: numbers[2], height: numbers[3], marks: MARKS.map(place) });
  });
  return found;
}

// Of places that are one face's, by their scores: BlazeFace's blending in the place of non-maximum suppression.
function mean(places) {
  const all = places.reduce((sum, { score }) => sum + score, 0);
  const of = (value) => places.reduce((sum, place) => sum + value(place) * place.score, 0) / all;
  return {
    score: places[0].score,
    ...Object.fromEntries(["x", "y", "width", "height"].map((name) => [name, of((place) => place[name])])),
    marks: MARKS.map((_, mark) => [0, 1].map((axis) => of((place) => place.marks[mark][axis]))),
  };
}

const size = ({ width, height }) => width * height;

export function isSame(one, other) {
  if (one === other) return true;
  const along = (place, side) => {
    const end = Math.min(one[place] + one[side] / 2, other[place] + other[side] / 2);
    return Math.max(0, end - Math.max(one[place] - one[side] / 2, other[place] - other[side] / 2));
  };
  const shared = along("x", "width") * along("y", "height");
  return shared > SAME * (size(one) + size(other) - shared);
}
