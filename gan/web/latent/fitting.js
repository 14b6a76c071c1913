// A picture as a model is shown it: of its size, by Lanczos' filter, and of its channels, as gan/data/photo.py's
// `fitted` brings it there with Pillow.
const LOBES = 3; // of the filter, to either side

// pixels: RGBA of a square of `side` pixels; model: {image_size, channels}. Returns Float32Array in [-1, 1], channel by
// channel.
export function fitted(pixels, side, { image_size: size, channels }) {
  const planes = channels === 1 ? [grey(pixels)] : [0, 1, 2].map((channel) => plane(pixels, channel));
  const found = new Float32Array(channels * size * size);
  for (const [channel, full] of planes.entries()) {
    const small =
      side === size ? full : turned(narrowed(turned(narrowed(full, side, size), size, side), side, size), size, size);
    found.set(
      small.map((level) => level / 127.5 - 1),
      channel * size * size,
    );
  }
  return found;
}

const plane = (pixels, channel) =>
  Float32Array.from({ length: pixels.length / 4 }, (_, at) => pixels[4 * at + channel]);

// As Pillow weighs colours.
const grey = (pixels) =>
  Float32Array.from({ length: pixels.length / 4 }, (_, at) => {
    const [red, green, blue] = pixels.subarray(4 * at, 4 * at + 3);
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  });

// Each row of `width` pixels as one of `wanted`, rounded to whole grey levels.
function narrowed(rows, width, wanted) {
  const scale = width / wanted;
  const reach = LOBES * Math.max(1, scale);
  const found = new Float32Array((rows.length / width) * wanted);
  for (let to = 0; to < wanted; to++) {
    const centre = (to + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const last = Math.min(width, Math.floor(centre + reach + 0.5));
    const weights = Array.from({ length: last - first }, (_, at) =>
      lanczos((first + at - centre + 0.5) / Math.max(1, scale)),
    );
    const sum = weights.reduce((all, weight) => all + weight, 0);
    for (let row = 0; row * width < rows.length; row++) {
      let level = 0;
      for (const [at, weight] of weights.entries()) level += weight * rows[row * width + first + at];
      found[row * wanted + to] = Math.min(Math.max(Math.round(level / sum), 0), 255);
    }
  }
  return found;
}

// Rows as columns.
const turned = (rows, width, height) => rows.map((_, at) => rows[(at % height) * width + Math.floor(at / height)]);

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0);
