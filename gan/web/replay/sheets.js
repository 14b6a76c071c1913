// The sample sheets of one or two runs, and a loupe over one face of them.
import { titleOf } from "./runs.js";
import { count, duration } from "./scale.js";

const COLUMNS = 8; // of a sheet: seeds 0 to 63, row by row
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }; // in seeds
const LEAST_SIDE = 896; // pixels of the canvas: whole-number enlargement keeps pixels sharp, and CSS fits the rest

// runs: see runs.js; moment: now, in images seen; changed: is called when another face is kept, or none.
export function buildSheets(root, runs, moment, changed = () => {}) {
  const find = (selector) => root.querySelector(selector);
  const figures = [...root.querySelectorAll(".sheet")];
  const loupe = find(".loupe");
  const shown = figures.map(() => ""); // what each canvas shows
  let hovered = null;
  let kept = null; // faces of the sheets: slot and seed

  function render() {
    for (const [i, slot] of runs.slots.entries()) drawSheet(slot, i);
    drawLoupe();
  }

  function drawSheet(slot, i) {
    const figure = figures[i];
    const sheet = runs.shownAt(slot);
    const picture = runs.pictureOf(slot, sheet);
    const isLate = sheet !== runs.sheetAt(slot);
    figure.querySelector(".when").textContent = sheet ? caption(slot, sheet, isLate) : "";
    figure.querySelector(".frame").classList.toggle("late", isLate);
    const state = JSON.stringify([slot.name, Boolean(slot.data), sheet, picture === undefined, picture === null]);
    if (shown[i] === state) return;
    shown[i] = state;
    const canvas = figure.querySelector("canvas");
    const none = figure.querySelector(".none");
    none.hidden = Boolean(picture);
    const lack = sheet && `Sheet ${sheet[0]} is ${picture === null ? "damaged" : "on its way"}`;
    none.textContent = lack ?? (slot.data ? "No sample sheet yet" : "");
    figure.querySelector(".name").textContent = titleOf(slot);
    figure.dataset.sheet = sheet ? sheet[0] : "";
    const label = picture && `Pictures of the seeds 0 to 63 by ${titleOf(slot)} after ${count(sheet[1])} images`;
    canvas.setAttribute("aria-label", label || lack || "No sheet");
    canvas.tabIndex = sheet ? 0 : -1;
    if (!picture) return;
    const side = picture.width * Math.max(1, Math.ceil(LEAST_SIDE / picture.width));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, side, side);
  }

  function caption(slot, [, images, , epoch, seconds], isLate) {
    const parts = [`${count(images)} images`];
    if (epoch !== null) parts.push(`epoch ${epoch.toFixed(2)}`);
    if (seconds !== null) parts.push(duration(seconds));
    return parts.join(" · ") + (!isLate && moment() > slot.data.images_seen + 0.5 ? " (its end)" : "");
  }

  // Keeps a face under the loupe; null lets it go.
  function keep(face) {
    kept = face;
    if (face === null) hovered = null;
    drawLoupe();
    changed();
  }

  function drawLoupe() {
    const face = kept || hovered;
    const pictures = runs.slots.map((slot) => runs.pictureOf(slot, runs.shownAt(slot)));
    loupe.hidden = !face || !pictures[0];
    for (const figure of figures) figure.querySelector(".cell").hidden = !face;
    if (loupe.hidden) return;
    const column = face.seed % COLUMNS;
    const row = Math.floor(face.seed / COLUMNS);
    for (const figure of figures) {
      const place = { left: `${(100 * column) / COLUMNS}%`, top: `${(100 * row) / COLUMNS}%` };
      Object.assign(figure.querySelector(".cell").style, place);
    }
    [...loupe.querySelectorAll("canvas")].forEach((canvas, i) => {
      canvas.hidden = !pictures[i] || !runs.slots[i].name;
      if (!canvas.hidden) copyFace(canvas, pictures[i], face.seed);
    });
    loupe.classList.toggle("kept", Boolean(kept));
    loupe.querySelector(".seed").textContent = `seed ${face.seed}`;
    for (const figure of figures) {
      const canvas = figure.querySelector("canvas");
      canvas.setAttribute("aria-valuenow", face.seed);
      canvas.setAttribute("aria-valuetext", `seed ${face.seed}${kept ? ", kept" : ""}`);
    }
    loupe.querySelector(".pin").textContent = kept ? "click it again to let go" : "click, or press Enter, to keep it";
    const link = loupe.querySelector(".open");
    link.hidden = !kept;
    link.href = `?${new URLSearchParams({ model: runs.slots[0].name, seed: face.seed })}`;
    placeLoupe(figures[face.slot], column, row);
  }

  // Below or above its face, and never beyond the sides.
  function placeLoupe(figure, column, row) {
    const frame = figure.querySelector(".frame");
    const size = frame.clientWidth / COLUMNS;
    const wide = loupe.offsetWidth;
    const left = frame.offsetLeft + figure.offsetLeft + column * size + size / 2 - wide / 2;
    loupe.style.left = `${Math.max(0, Math.min(find(".sheets").clientWidth - wide, left))}px`;
    const top = figure.offsetTop + row * size;
    loupe.style.top = `${row < COLUMNS / 2 ? top + size + 8 : top - loupe.offsetHeight - 8}px`;
  }

  figures.forEach((figure, slot) => {
    const canvas = figure.querySelector("canvas");
    const faceAt = (event) => {
      const box = canvas.getBoundingClientRect();
      const cell = (share) => Math.max(0, Math.min(COLUMNS - 1, Math.floor(share * COLUMNS)));
      const row = cell((event.clientY - box.top) / box.height);
      return { slot, seed: row * COLUMNS + cell((event.clientX - box.left) / box.width) };
    };
    const hover = (face) => {
      hovered = face;
      if (!kept) drawLoupe();
    };
    canvas.addEventListener("pointermove", (event) => hover(faceAt(event)));
    canvas.addEventListener("pointerleave", () => hover(null));
    canvas.addEventListener("click", (event) => {
      const face = faceAt(event);
      keep(kept?.seed === face.seed ? null : face);
    });
    // By keys as well: arrows go from face to face, Enter and space keep one, Escape lets it go.
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && hover(kept ?? { slot, seed: 0 }));
    canvas.addEventListener("blur", () => hover(null));
    canvas.addEventListener("keydown", (event) => {
      const face = kept ?? hovered ?? { slot, seed: 0 };
      if (event.key === "Enter" || event.key === " ") keep(kept ? null : face);
      else if (event.key === "Escape") keep(null);
      else if (event.key in STEPS) {
        const next = { slot, seed: Math.max(0, Math.min(COLUMNS ** 2 - 1, face.seed + STEPS[event.key])) };
        if (kept) keep(next);
        hover(next);
      } else return;
      event.preventDefault();
    });
  });

  return {
    figures,
    render,
    keep,
    // {slot, seed}; null for none.
    get kept() {
      return kept;
    },
  };
}

// A seed's picture out of a sheet.
export function copyFace(canvas, sheet, seed) {
  copyTile(canvas, sheet, sheet.width / COLUMNS, seed % COLUMNS, Math.floor(seed / COLUMNS));
}

// One tile of a picture, in about as many pixels as the canvas has on the screen.
export function copyTile(canvas, picture, size, column, row) {
  const side = size * Math.max(1, Math.round((canvas.clientWidth * 2) / size)) || size;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, column * size, row * size, size, size, 0, 0, side, side);
}
