// The preview of a film: it is played and scrubbed out of one sheet of all its frames.
import { fill, make } from "../shared/elements.js";
import { player } from "../shared/playing.js";
import { carried, corner, nearestFace, onward, stripFrames } from "./timing.js";

const SCREEN = 512;
const TILE = 96; // pixels

// settings: gives {way, fps}; reached: is told the number of the nearest face.
export function buildFilm(root, settings, reached) {
  const find = (selector) => root.querySelector(selector);
  const screen = find(".film");
  const scrub = find(".scrub");
  const strip = find(".strip");
  let sheet = null; // the server's answer, with its picture: ImageBitmap
  let at = 0;
  let shown = -1; // in frames

  const playing = player(find(".play"), (seconds) => {
    at = onward(at, seconds, settings().fps, sheet.frames);
    render();
  });

  // fresh: null takes the film away.
  function show(fresh) {
    const before = sheet;
    before?.picture.close();
    sheet = fresh;
    shown = -1;
    at = before && sheet ? carried(at, before.frames, sheet.frames) : 0;
    scrub.max = sheet ? sheet.frames - 1 : 0;
    for (const control of [scrub, find(".play")]) control.disabled = !sheet;
    showStrip();
    if (!sheet) {
      playing.pause();
      screen.getContext("2d").clearRect(0, 0, screen.width, screen.height);
    } else if (!before && !matchMedia("(prefers-reduced-motion: reduce)").matches) playing.play();
    render();
  }

  function drawFrame(canvas, frame, pixels) {
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    const { x, y } = corner(sheet, frame);
    context.imageSmoothingQuality = "high";
    context.drawImage(sheet.picture, x, y, sheet.side, sheet.side, 0, 0, pixels, pixels);
  }

  function showStrip() {
    strip.hidden = !sheet;
    const frames = sheet ? stripFrames(sheet.frames, settings().way, root.clientWidth) : [];
    strip.replaceChildren(
      ...frames.map((frame) => {
        const tile = make("button");
        tile.dataset.frame = frame;
        tile.setAttribute("aria-label", `Frame ${frame + 1}`);
        drawFrame(tile.appendChild(document.createElement("canvas")), frame, TILE);
        tile.addEventListener("click", () => hold(frame));
        return tile;
      }),
    );
  }

  function render() {
    if (!sheet) return;
    const frame = Math.min(sheet.frames - 1, Math.floor(at));
    if (frame === shown) return;
    shown = frame;
    drawFrame(screen, frame, SCREEN);
    scrub.value = frame;
    fill(scrub);
    scrub.setAttribute("aria-valuetext", `frame ${frame + 1} of ${sheet.frames}`);
    tell();
    const tiles = [...strip.children];
    const near = tiles.findLastIndex((tile) => Number(tile.dataset.frame) <= frame);
    for (const [i, tile] of tiles.entries()) tile.setAttribute("aria-current", i === near);
    const middle = (strip.clientWidth - tiles[near].offsetWidth) / 2;
    strip.scrollLeft = tiles[near].offsetLeft - strip.offsetLeft - middle;
    reached(nearestFace(sheet, frame, settings().way));
  }

  // Which frame it is, and how long the film.
  function tell() {
    if (!sheet) return;
    const seconds = (sheet.frames / settings().fps).toFixed(1);
    find(".where").textContent = `Frame ${shown + 1} of ${sheet.frames} · ${seconds} s`;
  }

  function hold(frame) {
    playing.pause();
    at = frame;
    render();
  }

  find(".play").addEventListener("click", () => (playing.playing ? playing.pause() : playing.play()));
  scrub.addEventListener("input", () => hold(Number(scrub.value)));

  return {
    show,
    tell,
    pause: () => playing.pause(),
    // The frame that shows a face.
    lookAt: (face) => sheet?.stops[face] !== undefined && hold(sheet.stops[face]),
    get isThere() {
      return sheet !== null;
    },
  };
}
