// From what a generator gives to what a canvas shows.
const REACH = 3; // Lanczos' filter, in pixels before enlarging

// Pixels of n pictures one after another: Uint8ClampedArray, RGBA. data: (n, channels, size, size) in [-1, 1].
export function toPixels(data, [n, channels, size]) {
  const area = size * size;
  const pixels = new Uint8ClampedArray(4 * n * area).fill(255);
  for (let picture = 0; picture < n; picture++)
    for (let colour = 0; colour < 3; colour++) {
      const from = (picture * channels + Math.min(colour, channels - 1)) * area;
      for (let at = 0, to = 4 * picture * area + colour; at < area; at++, to += 4)
        pixels[to] = (data[from + at] + 1) * 127.5; // rounded and clamped by what it is put into
    }
  return pixels;
}

// A picture of twice the size.
export const doubled = (pixels, size) => enlarged(pixels, size, 2);

// As Pillow enlarges it with Lanczos' filter, by a whole factor: size x size RGBA -> factor size x factor size.
export function enlarged(pixels, size, factor) {
  const taps = tapsOf(size, factor);
  const long = factor * size;
  const wide = new Uint8ClampedArray(4 * long * size);
  const all = new Uint8ClampedArray(4 * long * long);
  for (let row = 0; row < size; row++) stretched(pixels, 4 * row * size, 4, wide, 4 * row * long, 4, taps);
  for (let column = 0; column < long; column++) stretched(wide, 4 * column, 4 * long, all, 4 * column, 4 * long, taps);
  return all;
}

// One row or column: from where, and how far to the next pixel.
function stretched(source, from, step, target, to, targetStep, taps) {
  for (const { first, weights } of taps) {
    let [red, green, blue] = [0, 0, 0];
    for (let tap = 0, at = from + first * step; tap < weights.length; tap++, at += step) {
      red += weights[tap] * source[at];
      green += weights[tap] * source[at + 1];
      blue += weights[tap] * source[at + 2];
    }
    target[to] = red; // rounded and clamped by what it is put into
    target[to + 1] = green;
    target[to + 2] = blue;
    target[to + 3] = 255;
    to += targetStep;
  }
}

const known = new Map(); // by size and factor

// Which pixels each of the new ones is made of.
function tapsOf(size, factor) {
  const key = `${size} ${factor}`;
  if (!known.has(key))
    known.set(
      key,
      Array.from({ length: factor * size }, (_, at) => tapsAt((at + 0.5) / factor, size)),
    );
  return known.get(key);
}

function tapsAt(centre, size) {
  const first = Math.max(0, Math.trunc(centre - REACH + 0.5));
  const end = Math.min(size, Math.trunc(centre + REACH + 0.5));
  const raw = Array.from({ length: end - first }, (_, at) => lanczos(first + at - centre + 0.5));
  const sum = raw.reduce((one, other) => one + other, 0);
  return { first, weights: Float64Array.from(raw, (weight) => weight / sum) };
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (Math.abs(x) < REACH ? sinc(x) * sinc(x / REACH) : 0);
