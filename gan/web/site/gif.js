// Frames of pixels -> a GIF that plays round and round, with one table of colours for all of them.
const COLOURS = 256;
const MOST_CODES = 4096;
const DITHER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // Bayer's, of four by four pixels

// frames: of each its RGBA pixels; side: of all of them. As Uint8Array.
export function gifOf(frames, side, fps) {
  const table = coloursOf(frames);
  const nearest = new Map(); // of 15 bits of a colour, its number in the table
  const bytes = [];
  const word = (number) => bytes.push(number & 255, number >> 8);
  bytes.push(...text("GIF89a"));
  word(side);
  word(side);
  bytes.push(0xf7, 0, 0, ...table.flat());
  bytes.push(0x21, 0xff, 11, ...text("NETSCAPE2.0"), 3, 1, 0, 0, 0);
  const hundredths = Math.max(2, Math.round(100 / fps)); // viewers take less for a mistake
  for (const pixels of frames) {
    bytes.push(0x21, 0xf9, 4, 0);
    word(hundredths);
    bytes.push(0, 0, 0x2c, 0, 0, 0, 0);
    word(side);
    word(side);
    bytes.push(0);
    packed(numbered(pixels, side, table, nearest), bytes);
  }
  bytes.push(0x3b);
  return Uint8Array.from(bytes);
}

// Median cut: the box of colours that holds most, and is widest, is halved until there are enough.
function coloursOf(frames) {
  const counts = new Uint32Array(1 << 15);
  for (const pixels of frames) for (let at = 0; at < pixels.length; at += 4) counts[keyOf(pixels, at, 0)]++;
  const all = [];
  for (let key = 0; key < counts.length; key++) if (counts[key]) all.push(key);
  let boxes = [boxOf(all, counts)];
  while (boxes.length < COLOURS) {
    const widest = boxes.reduce((one, other) => (other.worth > one.worth ? other : one));
    if (widest.keys.length < 2) break;
    boxes = [...boxes.filter((box) => box !== widest), ...halved(widest, counts)];
  }
  const table = boxes.map(({ keys }) => meanOf(keys, counts));
  while (table.length < COLOURS) table.push([0, 0, 0]);
  return table;
}

const shifts = [10, 5, 0];
const part = (key, shift) => (key >> shift) & 31;

function boxOf(keys, counts) {
  const widths = shifts.map((shift) => {
    let [low, high] = [31, 0];
    for (const key of keys) {
      low = Math.min(low, part(key, shift));
      high = Math.max(high, part(key, shift));
    }
    return high - low;
  });
  const wide = Math.max(...widths);
  const count = keys.reduce((sum, key) => sum + counts[key], 0);
  return { keys, shift: shifts[widths.indexOf(wide)], worth: keys.length > 1 ? wide * Math.sqrt(count) : 0, count };
}

function halved({ keys, shift, count }, counts) {
  const sorted = [...keys].sort((one, other) => part(one, shift) - part(other, shift));
  let [at, sum] = [0, 0];
  while (at < sorted.length - 1 && (at === 0 || sum < count / 2)) sum += counts[sorted[at++]];
  return [boxOf(sorted.slice(0, at), counts), boxOf(sorted.slice(at), counts)];
}

function meanOf(keys, counts) {
  const count = keys.reduce((sum, key) => sum + counts[key], 0);
  return shifts.map((shift) => {
    const sum = keys.reduce((all, key) => all + counts[key] * (8 * part(key, shift) + 4), 0);
    return Math.min(255, Math.round(sum / count));
  });
}

const five = (level) => Math.min(Math.max(level, 0), 255) >> 3;
const keyOf = (pixels, at, more) =>
  (five(pixels[at] + more) << 10) | (five(pixels[at + 1] + more) << 5) | five(pixels[at + 2] + more);

function numbered(pixels, side, table, nearest) {
  const numbers = new Uint8Array(side * side);
  for (let at = 0; at < numbers.length; at++) {
    const more = (DITHER[4 * (Math.floor(at / side) % 4) + ((at % side) % 4)] - 7.5) / 2;
    const key = keyOf(pixels, 4 * at, more);
    if (!nearest.has(key)) nearest.set(key, nearestTo(key, table));
    numbers[at] = nearest.get(key);
  }
  return numbers;
}

function nearestTo(key, table) {
  const wanted = shifts.map((shift) => 8 * part(key, shift) + 4);
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [number, colour] of table.entries()) {
    const apart = colour.reduce((sum, level, at) => sum + (level - wanted[at]) ** 2, 0);
    if (apart < least) [best, least] = [number, apart];
  }
  return best;
}

// Lempel, Ziv and Welch's codes of eight bits' numbers, in blocks of at most 255 bytes.
function packed(numbers, bytes) {
  const [clear, end] = [256, 257];
  const block = [];
  let [bits, held, size, next] = [0, 0, 9, end + 1];
  let codes = new Map(); // (code so far, number) -> code
  const flush = () => {
    bytes.push(block.length, ...block);
    block.length = 0;
  };
  const put = (code) => {
    bits |= code << held;
    held += size;
    for (; held >= 8; held -= 8, bits >>>= 8) {
      block.push(bits & 255);
      if (block.length === 255) flush();
    }
  };
  bytes.push(8);
  put(clear);
  let code = numbers[0];
  for (let at = 1; at < numbers.length; at++) {
    const key = (code << 8) | numbers[at];
    const known = codes.get(key);
    if (known !== undefined) {
      code = known;
      continue;
    }
    put(code);
    if (next < MOST_CODES) {
      codes.set(key, next++);
      if (next > 1 << size && size < 12) size++;
    } else {
      put(clear);
      codes = new Map();
      [size, next] = [9, end + 1];
    }
    code = numbers[at];
  }
  put(code);
  put(end);
  if (held) block.push(bits & 255);
  if (block.length) flush();
  bytes.push(0);
}

const text = (words) => new TextEncoder().encode(words);
