// Which part of a photo is cut out: {x, y} its middle and `side` in pixels of the photo, `tilt` in degrees. No DOM.
//
// photo: {width, height}, of which at least one pixel stays in the square's middle.

const WIDEST = 1.4; // of the square's side over the photo's longer one
const NARROWEST = 24; // pixels of the photo that the square shows at least
const SHOULDERS = 0.72; // of the shorter side, where a face usually is; a photo that is a square was cropped already
const STEEPEST = 45; // degrees
const STEADY = 10; // degrees by which the marks of an upright face may seem tilted
// Of both eyes and of the mouth, as shares of the side: where BlazeFace finds them on the mean in the squares of CelebA's
// pictures that the models were trained on (tests/benchmarks/finding.py), made the same for left and right.
const PLACES = [
  [0.348, 0.439],
  [0.652, 0.439],
  [0.5, 0.772],
];

const widest = (photo) => WIDEST * Math.max(photo.width, photo.height);
const narrowest = (photo) => Math.min(NARROWEST, widest(photo));
const within = (value, low, high) => Math.min(Math.max(value, low), high);

// Where a face usually is.
export function begin({ width, height }) {
  const isSquare = Math.abs(width - height) < 0.03 * Math.max(width, height);
  const side = (isSquare ? 1 : SHOULDERS) * Math.min(width, height);
  return { x: width / 2, y: height * (height > 1.1 * width ? 0.555 : 0.5), side, tilt: 0 };
}

// The square in which the marks of a face (blazeface.js) lie as they do in the pictures that the models were trained on:
// the one that leaves least between both. It is level, unless the head is clearly tilted.
export function around(marks) {
  const mean = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis] / points.length, 0));
  const middle = mean(marks);
  const wanted = mean(PLACES);
  let [along, across, all] = [0, 0, 0];
  PLACES.forEach((place, at) => {
    const [x, y] = [0, 1].map((axis) => place[axis] - wanted[axis]);
    const [right, down] = [0, 1].map((axis) => marks[at][axis] - middle[axis]);
    along += x * right + y * down;
    across += x * down - y * right;
    all += x * x + y * y;
  });
  const turned = (180 * Math.atan2(across, along)) / Math.PI;
  if (Math.abs(turned) < STEADY) across = 0;
  const [cos, sin] = [along / all, across / all]; // times the square's side
  const [x, y] = wanted.map((share) => 0.5 - share);
  return {
    x: middle[0] + cos * x - sin * y,
    y: middle[1] + sin * x + cos * y,
    side: Math.hypot(cos, sin),
    tilt: across && within(-Math.round(2 * turned) / 2, -STEEPEST, STEEPEST),
  };
}

// A square with some of its values changed, within what there is.
export function changed(photo, square, wanted) {
  const { x, y, side, tilt } = { ...square, ...wanted };
  return {
    x: within(x, 0, photo.width),
    y: within(y, 0, photo.height),
    side: within(side, narrowest(photo), widest(photo)),
    tilt,
  };
}

// Moves the photo under the square by shares of its side, to the right and down.
export function shifted(photo, square, right, down) {
  const angle = (-square.tilt * Math.PI) / 180;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const x = square.x - square.side * (right * cos - down * sin);
  const y = square.y - square.side * (right * sin + down * cos);
  return changed(photo, square, { x, y });
}

export const zoomed = (photo, square, factor) => changed(photo, square, { side: square.side / factor });

// Where a slider from 0 to 100 stands that zooms evenly, and the side of each of its values.
export const toZoom = (photo, side) =>
  (100 * Math.log(widest(photo) / side)) / Math.log(widest(photo) / narrowest(photo));
export const fromZoom = (photo, value) => widest(photo) * (narrowest(photo) / widest(photo)) ** (value / 100);
