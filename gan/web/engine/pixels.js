// From what a generator gives to what a canvas shows.
const REACH = 3; // Lanczos' filter, in pixels before enlarging
const TAPS = 2 * REACH; // pixels that each new one is made of
const BITS = 22; // of a weight's fraction: whole numbers are quicker, and Pillow's are these
const HALF = 1 << (BITS - 1);

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
  const wide = stretched(pixels, size, 4, taps);
  return stretched(wide, 1, 4 * factor * size, taps);
}

// Lines of groups, each of `step` numbers, as lines of more groups: rows of pixels, or the one column of all rows.
function stretched(source, lines, step, { firsts, weights }) {
  const stretched = new Uint8ClampedArray(lines * firsts.length * step);
  const line = source.length / lines;
  let to = 0;
  for (let from = 0; from < source.length; from += line)
    for (let group = 0; group < firsts.length; group++) {
      const w = TAPS * group;
      const [a, b, c] = [weights[w], weights[w + 1], weights[w + 2]];
      const [d, e, f] = [weights[w + 3], weights[w + 4], weights[w + 5]];
      const first = from + firsts[group] * step;
      for (let at = first; at < first + step; at++)
        stretched[to++] =
          (HALF +
            Math.imul(a, source[at]) +
            Math.imul(b, source[at + step]) +
            Math.imul(c, source[at + 2 * step]) +
            Math.imul(d, source[at + 3 * step]) +
            Math.imul(e, source[at + 4 * step]) +
            Math.imul(f, source[at + 5 * step])) >>
          BITS; // clamped by what it is put into
    }
  return stretched;
}

const known = new Map(); // by size and factor

// What the new pixels are made of: {firsts: for each the first of its TAPS pixels, weights: TAPS for each}.
function tapsOf(size, factor) {
  const key = `${size} ${factor}`;
  if (!known.has(key)) {
    const all = Array.from({ length: factor * size }, (_, at) => tapsAt((at + 0.5) / factor, size));
    const weights = Int32Array.from(all.flatMap(({ weights }) => weights));
    known.set(key, { firsts: Int32Array.from(all, ({ first }) => first), weights });
  }
  return known.get(key);
}

// At an edge some of the TAPS pixels are out of the filter's reach, and weigh nothing.
function tapsAt(centre, size) {
  const from = Math.max(0, Math.trunc(centre - REACH + 0.5));
  const end = Math.min(size, Math.trunc(centre + REACH + 0.5));
  const first = Math.max(0, Math.min(from, size - TAPS));
  const raw = Array.from({ length: TAPS }, (_, tap) => {
    const at = first + tap;
    return from <= at && at < end ? lanczos(at - centre + 0.5) : 0;
  });
  const sum = raw.reduce((one, other) => one + other, 0);
  return { first, weights: raw.map((weight) => Math.round((weight / sum) * 2 ** BITS)) };
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (Math.abs(x) < REACH ? sinc(x) * sinc(x / REACH) : 0);
