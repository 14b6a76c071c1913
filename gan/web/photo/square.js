// Which part of a photo is cut out: {x, y} its middle and `side` in pixels of the photo, `tilt` in degrees. No DOM.
//
// photo: {width, height}, of which at least one pixel stays in the square's middle.

const WIDEST = 1.4; // of the square's side over the photo's longer one
const NARROWEST = 24; // pixels of the photo that the square shows at least
const SHOULDERS = 0.72; // of the shorter side, where a face usually is; a photo that is a square was cropped already

const widest = (photo) => WIDEST * Math.max(photo.width, photo.height);
const narrowest = (photo) => Math.min(NARROWEST, widest(photo));
const within = (value, low, high) => Math.min(Math.max(value, low), high);

// Where a face usually is.
export function begin({ width, height }) {
  const isSquare = Math.abs(width - height) < 0.03 * Math.max(width, height);
  const side = (isSquare ? 1 : SHOULDERS) * Math.min(width, height);
  return { x: width / 2, y: height * (height > 1.1 * width ? 0.555 : 0.5), side, tilt: 0 };
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
