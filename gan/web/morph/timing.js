// Where a film is: its frames on the sheet, in time, and beside its faces. No DOM.
//
// sheet: as the server's `morph_film` answers: {columns, cell, side, frames, stops}.

const LEAST = 8; // frames that the slider goes down to
const STRIP = [6, 16]; // tiles
const TILE = 64; // pixels that one wants
const MOST_PAUSE = 0.25; // seconds that a film goes on at once, after a page that stood still

// So that every face is met.
export const leastFrames = (way, faces) => Math.max(LEAST, way === "back" ? 2 * (faces - 1) : faces);

// After so many seconds more, in frames.
export const onward = (at, seconds, fps, frames) => (at + Math.min(MOST_PAUSE, seconds) * fps) % frames;

// In another film, at the same share.
export const carried = (at, before, frames) => Math.min(frames - 1, (at / before) * frames);

// Of a frame's upper left corner, in pixels of the sheet.
export const corner = ({ columns, cell }, frame) => ({
  x: (frame % columns) * cell,
  y: Math.floor(frame / columns) * cell,
});

// The frames of the film strip, for a width in pixels.
export function stripFrames(frames, way, width) {
  const n = Math.min(frames, Math.max(STRIP[0], Math.min(STRIP[1], Math.floor(width / TILE))));
  const last = way === "once" ? frames - 1 : frames * (1 - 1 / n);
  return [...Array(n).keys()].map((i) => Math.round((last * i) / Math.max(1, n - 1)));
}

// Number of the face whose stop is nearest to a frame.
export function nearestFace({ stops, frames }, frame, way) {
  const distances = stops.map((stop) => {
    const there = Math.abs(stop - frame);
    return way === "loop" ? Math.min(there, frames - there) : there;
  });
  return distances.indexOf(Math.min(...distances));
}
