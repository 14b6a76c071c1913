// The square that is cut out of a photo: drawn, moved by mouse, fingers and keys, zoomed and tilted.
import { fill } from "../shared/elements.js";
import { begin, changed, fromZoom, shifted, toZoom, zoomed } from "./square.js";

const SENT = 256; // pixels a side of what is cut out

// moved: is called when the square is another.
export function buildCrop(root, moved) {
  const find = (selector) => root.querySelector(selector);
  const canvas = find(".crop");
  const zoom = find(".zoom");
  const tilt = find(".tilt");
  let photo = null; // a canvas
  let around = "#888"; // what the square shows beside the photo
  let square = { x: 0, y: 0, side: 1, tilt: 0 };
  let isTaken = false; // whether the visitor has put it where it is

  // opened: a canvas; where: a square of before, if any.
  function put(opened, where) {
    photo = opened;
    around = edgeColour(opened);
    isTaken = Boolean(where);
    set(changed(photo, where ?? begin(opened), {}));
  }

  // A better square than the first one, as long as the visitor has not moved it.
  const propose = (better) => set(changed(photo, better, {}));

  // By the visitor.
  function move(next) {
    isTaken = true;
    set(next);
  }

  function set(next) {
    square = next;
    zoom.value = toZoom(photo, square.side);
    tilt.value = square.tilt;
    for (const input of [zoom, tilt]) fill(input);
    paint(canvas);
    moved();
  }

  function paint(target) {
    const context = target.getContext("2d");
    const size = target.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = around;
    context.fillRect(0, 0, size, size);
    context.translate(size / 2, size / 2);
    context.rotate((square.tilt * Math.PI) / 180);
    context.scale(size / square.side, size / square.side);
    context.imageSmoothingQuality = "high";
    context.drawImage(photo, -square.x, -square.y);
  }

  function cut() {
    const copy = document.createElement("canvas");
    copy.width = copy.height = SENT;
    paint(copy);
    return copy;
  }

  // As a PNG in base64.
  const content = () => cut().toDataURL("image/png").split(",")[1];

  // {pixels: RGBA, side}.
  const pixels = () => ({ pixels: cut().getContext("2d").getImageData(0, 0, SENT, SENT).data, side: SENT });

  const shift = (right, down) => move(shifted(photo, square, right, down));
  const zoomBy = (factor) => move(zoomed(photo, square, factor));

  const fingers = new Map(); // pointers that are down: id -> place
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    isTaken = true;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const apart = fingers.size === 2 && spread();
    const part = canvas.clientWidth * fingers.size;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    shift((event.clientX - before.x) / part, (event.clientY - before.y) / part);
    if (apart) zoomBy(spread() / apart);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY / 400));
    },
    { passive: false },
  );
  const KEYS = {
    ArrowLeft: () => shift(-0.02, 0),
    ArrowRight: () => shift(0.02, 0),
    ArrowUp: () => shift(0, -0.02),
    ArrowDown: () => shift(0, 0.02),
    "+": () => zoomBy(1.04),
    "=": () => zoomBy(1.04),
    "-": () => zoomBy(1 / 1.04),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  zoom.addEventListener("input", () => move(changed(photo, square, { side: fromZoom(photo, zoom.value) })));
  tilt.addEventListener("input", () => move(changed(photo, square, { tilt: Number(tilt.value) })));

  return {
    put,
    propose,
    content,
    pixels,
    get isTaken() {
      return isTaken;
    },
    get photo() {
      return photo;
    },
    get square() {
      return square;
    },
  };
}

// The mean of a photo's outermost pixels.
function edgeColour(photo) {
  const { width, height } = photo;
  const context = photo.getContext("2d");
  const edges = [
    [0, 0, width, 1],
    [0, height - 1, width, 1],
    [0, 0, 1, height],
    [width - 1, 0, 1, height],
  ];
  const sum = [0, 0, 0];
  let count = 0;
  for (const edge of edges) {
    const { data } = context.getImageData(...edge);
    for (let i = 0; i < data.length; i += 4, count++) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
  }
  return `rgb(${sum.map((value) => Math.round(value / count)).join(" ")})`;
}
