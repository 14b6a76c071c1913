// The Photo tab's first half: a picture is opened and cropped in the browser.
// Given by Gradio: element, trigger, props, server, watch. Names and sentences go into the page as text, never as HTML.

const root = element.querySelector(".photo");
const find = (selector) => root.querySelector(selector);
const all = (selector) => [...root.querySelectorAll(selector)];
const canvas = find(".crop"), chooser = find(".file");
const MOST_BYTES = Number(root.dataset.bytes), MOST_PIXELS = Number(root.dataset.pixels), LEAST_SIDE = Number(root.dataset.least);
const MOST_SIDE = 1024; // pixels of the opened picture: what is cropped out of it is not shown any larger
const SENT = 256; // pixels of the square that is sent
const WIDEST = 1.4; // of the square's side over the photo's longer one
const NARROWEST = 24; // pixels of the photo that the square shows at least

let photo = null; // a canvas: upright, on white where it was transparent
let around = "#888"; // what the square shows beside the photo
let crop = { x: 0, y: 0, side: 1, tilt: 0 }; // its middle and side in pixels of the photo, degrees
let opening = 0; // counts, so that of two photos the later is shown

// Below the model's choice: what is wrong, none if empty.
function tell(sentence) {
  find(".message").textContent = sentence;
  find(".message").hidden = !sentence;
}

// ---- opening --------------------------------------------------------------------------------------------------------

async function open(file) {
  if (!file) return;
  const number = ++opening;
  tell("");
  try {
    if (file.size > MOST_BYTES)
      throw Error("This file has " + Math.round(file.size / 2 ** 20) + " MB: expected a picture of at most " + MOST_BYTES / 2 ** 20 + " MB.");
    const opened = drawn(await decoded(file));
    if (number !== opening) return; // another was chosen meanwhile
    put(opened);
    remember("photo", photo.toDataURL("image/jpeg", 0.95)); // in this browser, for a reload of the page
    frame();
    reset();
  } catch (error) {
    if (number === opening) tell(error.message);
  }
}

function put(opened) {
  photo = opened;
  around = edgeColour();
  root.classList.add("opened");
  find(".drop").hidden = true;
  find(".work").hidden = false;
}

// An image of the file; where the browser cannot read it, of what the server makes of it. Its pixels are not decoded
// before they are drawn: until then only its size is known.
async function decoded(file) {
  const url = URL.createObjectURL(file);
  try {
    return await load(url);
  } catch {
    const answer = await ask("photo_open", { content: await base64(file) });
    if (answer.problem) throw Error(answer.problem);
    return load(answer.picture);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = url;
  });
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] || "");
    reader.onerror = () => reject(Error("This file cannot be read: " + reader.error.message));
    reader.readAsDataURL(blob);
  });
}

function drawn(image) {
  const width = image.naturalWidth, height = image.naturalHeight;
  if (width * height > MOST_PIXELS)
    throw Error("This picture has " + width.toLocaleString("en") + " x " + height.toLocaleString("en") + " pixels: expected at most " + MOST_PIXELS / 1e6 + " million. Make it smaller first.");
  if (Math.min(width, height) < LEAST_SIDE)
    throw Error("This picture is " + width + " x " + height + " pixels: expected at least " + LEAST_SIDE + " each way to see a face in.");
  const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(width * scale));
  copy.height = Math.max(1, Math.round(height * scale));
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, copy.width, copy.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, copy.width, copy.height);
  return copy;
}

// The mean of the photo's outermost pixels.
function edgeColour() {
  const { width, height } = photo, context = photo.getContext("2d");
  const sum = [0, 0, 0];
  let count = 0;
  for (const [x, y, w, h] of [[0, 0, width, 1], [0, height - 1, width, 1], [0, 0, 1, height], [width - 1, 0, 1, height]]) {
    const { data } = context.getImageData(x, y, w, h);
    for (let i = 0; i < data.length; i += 4, count++) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
  }
  return "rgb(" + sum.map((value) => Math.round(value / count)).join(" ") + ")";
}

// ---- cropping -------------------------------------------------------------------------------------------------------

const widest = () => WIDEST * Math.max(photo.width, photo.height);
const narrowest = () => Math.min(NARROWEST, widest());

// Where a face usually is: a photo that is a square already was cropped by somebody, others show shoulders too.
function frame() {
  const { width, height } = photo, square = Math.abs(width - height) < 0.03 * Math.max(width, height);
  const side = (square ? 1 : 0.72) * Math.min(width, height);
  setCrop({ x: width / 2, y: height * (height > 1.1 * width ? 0.555 : 0.5), side: side, tilt: 0 });
}

function setCrop(wanted) {
  crop = Object.assign({}, crop, wanted);
  crop.side = Math.min(Math.max(crop.side, narrowest()), widest());
  crop.x = Math.min(Math.max(crop.x, 0), photo.width);
  crop.y = Math.min(Math.max(crop.y, 0), photo.height);
  find(".zoom").value = (100 * Math.log(widest() / crop.side)) / Math.log(widest() / narrowest());
  find(".tilt").value = crop.tilt;
  for (const input of all("input[type=range]")) fill(input);
  paint(canvas);
  rememberSearch();
}

function fill(input) {
  input.style.setProperty("--share", (100 * (input.value - input.min)) / (input.max - input.min) + "%");
}

function paint(target) {
  const context = target.getContext("2d"), size = target.width;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = around;
  context.fillRect(0, 0, size, size);
  context.translate(size / 2, size / 2);
  context.rotate((crop.tilt * Math.PI) / 180);
  context.scale(size / crop.side, size / crop.side);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, -crop.x, -crop.y);
}

// Moves the photo under the square by shares of its side, to the right and down.
function shift(right, down) {
  const angle = (-crop.tilt * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
  setCrop({ x: crop.x - crop.side * (right * cos - down * sin), y: crop.y - crop.side * (right * sin + down * cos) });
}

const zoom = (factor) => setCrop({ side: crop.side / factor });

// The square as a PNG in base64.
function cropped() {
  const square = document.createElement("canvas");
  square.width = square.height = SENT;
  paint(square);
  return square.toDataURL("image/png").split(",")[1];
}

const fingers = new Map(); // pointers that are down: id -> place
const spread = () => {
  const [a, b] = [...fingers.values()];
  return Math.hypot(a.x - b.x, a.y - b.y);
};
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const apart = fingers.size === 2 && spread(), n = fingers.size, size = canvas.clientWidth;
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  shift((event.clientX - before.x) / size / n, (event.clientY - before.y) / size / n);
  if (apart) zoom(spread() / apart);
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400));
}, { passive: false });
const KEYS = {
  ArrowLeft: () => shift(-0.02, 0), ArrowRight: () => shift(0.02, 0), ArrowUp: () => shift(0, -0.02), ArrowDown: () => shift(0, 0.02),
  "+": () => zoom(1.04), "=": () => zoom(1.04), "-": () => zoom(1 / 1.04),
};
canvas.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
find(".zoom").addEventListener("input", (event) => setCrop({ side: widest() * (narrowest() / widest()) ** (event.target.value / 100) }));
find(".tilt").addEventListener("input", (event) => setCrop({ tilt: Number(event.target.value) }));

// ---- ways in --------------------------------------------------------------------------------------------------------

const visible = () => element.offsetParent !== null;
for (const button of all(".choose")) button.addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  open(chooser.files[0]);
  chooser.value = ""; // so that the same file can be chosen again
});
document.addEventListener("paste", (event) => {
  const file = visible() && [...event.clipboardData.files][0];
  if (!file) return;
  event.preventDefault();
  open(file);
});
const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => {
  if (!visible() || !holdsFile(event)) return;
  event.preventDefault();
  root.classList.add("dropping");
});
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => root.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  if (!visible() || !holdsFile(event)) return;
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
