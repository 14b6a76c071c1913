// From numbers to places and words: the time axis, its ticks, ranges and curves of the plots. No DOM.

const FIRST_IMAGES = 256; // where the log-spaced sheets begin; gan.films.replay.warp bends the axis at the same place

export const count = (images) => Math.round(images).toLocaleString("en");

export function compact(value) {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  return value >= 1e3 ? `${+(value / 1e3).toPrecision(3)}k` : `${+value.toPrecision(3)}`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// Of a sorted list the number of the last whose key is at most `value`; -1 where there is none.
export function lastAt(sorted, value, key = (item) => item) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(sorted[middle]) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// At most so many of a list, evenly along the logarithmic axis, with the first and the last: as gan.films.replay thins
// what a run has. images: gives an item's images seen.
export function spread(items, most, images) {
  if (items.length <= most) return items;
  const places = items.map((item) => Math.asinh(images(item) / FIRST_IMAGES));
  const between = places.slice(1).map((place, at) => (place + places[at]) / 2);
  const [first, last] = [places[0], places.at(-1)];
  const kept = new Set([items.length - 1]);
  for (let i = 0; i < most - 1; i++) {
    const wanted = first + ((last - first) * i) / (most - 1);
    kept.add(between.filter((place) => place < wanted).length);
  }
  return items.filter((_, at) => kept.has(at));
}

// most: images seen at the end. `to` gives an image's share of the axis, 0 to 1, and `from` is its reverse.
export function timeAxis(most, logarithmic) {
  const bend = logarithmic ? (x) => Math.asinh(x / FIRST_IMAGES) : (x) => x;
  const back = logarithmic ? (y) => Math.sinh(y) * FIRST_IMAGES : (y) => y;
  const end = bend(Math.max(most, 1));
  return {
    most,
    logarithmic,
    to: (images) => Math.min(1, Math.max(0, bend(images) / end)),
    from: (share) => back(Math.min(1, Math.max(0, share)) * end),
  };
}

// A step of 1, 2 or 5 times a power of ten that parts a span in about so many.
export function roundStep(span, parts) {
  const rough = span / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((m) => m * power >= rough);
}

// The values with a label on an axis of so many pixels.
export function timeTicks(axis, width) {
  const candidates = [0];
  if (axis.logarithmic) {
    for (let power = 100; power <= axis.most; power *= 10) candidates.push(power, 3 * power);
  } else {
    const step = roundStep(Math.max(axis.most, 1), Math.max(2, width / 90));
    for (let value = step; value <= axis.most; value += step) candidates.push(value);
  }
  const isBetween = (value) =>
    axis.logarithmic && value > 0 && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) > 1e-9;
  // 0 has a label always, and whole powers of ten win over the values between them.
  const rank = (a, b) => (b === 0) - (a === 0) || isBetween(a) - isBetween(b) || b - a;
  const kept = [];
  for (const value of candidates.filter((value) => value <= axis.most).sort(rank)) {
    const x = axis.to(value) * width;
    if (kept.every((other) => Math.abs(axis.to(other) * width - x) > 44)) kept.push(value);
  }
  return kept;
}

// The loss plot's range: all smoothed values, and of the raw ones all but the odd spike.
export function lossRange(runs) {
  const values = (kind) => runs.flatMap((run) => [...run[kind].loss_g, ...run[kind].loss_d]).filter((v) => v !== null);
  const raw = values("curves").sort((a, b) => a - b);
  if (!raw.length) return [0, 1];
  const highest = values("smoothed").reduce((a, b) => Math.max(a, b), -Infinity);
  const high = Math.max(raw[Math.floor((raw.length - 1) * 0.99)], highest);
  const low = Math.min(0, raw[0]);
  return [low, high > low ? low + (high - low) * 1.06 : low + 1];
}

// An SVG path; null values part it. x, y: from a number to a place.
export function curvePath(images, values, x, y) {
  let path = "";
  let pen = false;
  for (let i = 0; i < images.length; i++) {
    if (values[i] === null) {
      pen = false;
      continue;
    }
    path += `${(pen ? "L" : "M") + x(images[i]).toFixed(1)} ${y(values[i]).toFixed(1)}`;
    pen = true;
  }
  return path;
}
