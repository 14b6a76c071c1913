// The Morph tab's film: its faces, its preview, its files. One sheet of all frames comes from the server whenever the
// film changes; playing and scrubbing ask it nothing.
// Given by Gradio: element, trigger, props, server, watch. Names and sentences go into the page as text, never as HTML.

const root = element.querySelector(".morph");
const find = (selector) => root.querySelector(selector);
const all = (selector) => [...root.querySelectorAll(selector)];
const screen = find(".film"), scrub = find(".scrub"), list = find(".faces"), strip = find(".strip");
const MOST_FACES = Number(root.dataset.most);
const BEGIN_WITH = 4; // faces
const SEEDS = 1e6; // random ones are below: short enough to read out
const STRIP = [6, 16]; // tiles, by the width that there is

let model = "", chosen = false; // the latter once the visitor has chosen it here; until then it is Explore's
let faces = []; // of the morph, in order: {face: state as JSON, name, picture: URI}
let way = "loop", side = 256;
let sheet = null; // what the server drew last, with its picture: ImageBitmap
let at = 0, shown = -1; // in frames
const film = player(find(".play"), (seconds) => {
  at = (at + Math.min(0.25, seconds) * fps()) % sheet.frames;
  render();
});
let asking = false, changed = false, making = 0, makingWhat = ""; // making: a number for each file
let before = remembered("morph"); // what was here before a reload

const seedFace = (seed, truncation = 1) => JSON.stringify({ model: model, seed: seed, truncation: truncation });
const randomSeed = () => Math.floor(Math.random() * SEEDS);
const frames = () => Number(find("input.frames").value);
const fps = () => Number(find("input.fps").value);

function make(tag, className, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (tag === "button") node.type = "button";
  if (tag === "img") node.alt = "";
  node.textContent = text;
  return node;
}

// Asks the server; what it answers in words is shown in `place`.
async function request(name, asked, place) {
  const answer = await ask(name, asked);
  place.textContent = answer.problem ?? "";
  if (place.classList.contains("message")) place.hidden = !place.textContent;
  return answer;
}

// The track is filled up to the value.
function fill(input) {
  input.style.setProperty("--share", (100 * (input.value - input.min)) / Math.max(1, input.max - input.min) + "%");
}

// ---- faces ----------------------------------------------------------------------------------------------------------

// Seeds mean a face in every model; an own latent vector only in the one that it was made for.
async function useModel(name, start) {
  if (!name || name === model) return;
  const known = before?.model === name ? before : null, last = { model: model, faces: faces };
  const others = faces.map((face) => JSON.parse(face.face));
  before = null;
  model = name;
  let wanted = others.filter((face) => !face.latent).map((face) => seedFace(face.seed, face.truncation));
  if (known) wanted = known.faces;
  else if (!others.length) {
    const first = start ? JSON.parse(start).seed : 0;
    const seeds = [...Array(BEGIN_WITH + 1).keys()].filter((seed) => seed !== first);
    wanted = [start || seedFace(first), ...seeds.map((seed) => seedFace(seed))].slice(0, BEGIN_WITH);
  }
  faces = [];
  showFaces();
  const added = await addFaces(wanted);
  if (name !== model) return;
  if (!added && wanted.length) {
    ({ model, faces } = last); // whoever chooses the model again tries again
    return showFaces();
  }
  const left = others.filter((face) => face.latent).length;
  if (left) find(".told").textContent = left + (left > 1 ? " faces were" : " face was") + " made of other numbers than a seed's and stayed with the other model.";
  await startSum(known);
}

// For a reload of the page.
function rememberMorph() {
  const settings = { way: way, side: side, frames: frames(), fps: fps() }, sum = { terms: terms, words: words, picked: picked, first: first };
  if (model) remember("morph", { model: model, chosen: chosen, faces: faces.map((face) => face.face), ...settings, ...sum });
}

async function addFaces(texts) {
  const told = find(".told"), name = model;
  if (faces.length + texts.length > MOST_FACES) {
    told.textContent = "A morph takes at most " + MOST_FACES + " faces: remove one first.";
    return false;
  }
  const answer = await request("morph_faces", { model: name, faces: texts }, told);
  if (name !== model || !answer.faces) return false; // another model was chosen meanwhile
  faces.push(...answer.faces.slice(0, MOST_FACES - faces.length));
  await change();
  return answer.faces.length > 0;
}

async function addFile(file) {
  const state = file && (await stateOf(file));
  if (state) await addFaces([state]);
  else find(".told").textContent = "This file carries no face: expected a PNG that was saved on this page.";
}

function move(from, to) {
  faces.splice(to, 0, ...faces.splice(from, 1));
  change();
}

function showFaces() {
  list.replaceChildren(...faces.map((face, i) => {
    const item = make("li");
    item.draggable = true;
    const picture = item.appendChild(make("button", "picture"));
    picture.setAttribute("aria-label", "Show " + face.name + ", face " + (i + 1));
    picture.appendChild(make("img")).src = face.picture;
    picture.addEventListener("click", () => sheet && sheet.stops[i] !== undefined && hold(sheet.stops[i]));
    item.append(make("span", "name", face.name));
    const order = item.appendChild(make("div", "order"));
    for (const [text, label, to] of [["←", "Move earlier", i - 1], ["→", "Move later", i + 1], ["×", "Remove", null]]) {
      const button = order.appendChild(make("button", "", text));
      button.setAttribute("aria-label", label + ": " + face.name);
      button.disabled = to !== null && (to < 0 || to >= faces.length);
      button.addEventListener("click", () => {
        if (to === null) faces.splice(i, 1), change();
        else move(i, to);
        list.children[to === null ? Math.min(i, faces.length - 1) : to]?.querySelector(".order button:enabled")?.focus();
      });
    }
    item.addEventListener("dragstart", (event) => {
      item.classList.add("dragged");
      event.dataTransfer.setData("text/plain", face.name);
      event.dataTransfer.effectAllowed = "move";
    });
    item.addEventListener("dragover", (event) => {
      const dragged = list.querySelector(".dragged");
      if (!dragged) return;
      event.preventDefault();
      const items = [...list.children];
      if (dragged !== item) list.insertBefore(dragged, items.indexOf(dragged) < items.indexOf(item) ? item.nextSibling : item);
    });
    item.addEventListener("dragend", () => {
      const to = [...list.children].indexOf(item);
      item.classList.remove("dragged");
      if (to !== i) move(i, to);
    });
    return item;
  }));
}

find(".random").addEventListener("click", () => addFaces([seedFace(randomSeed())]));
find(".explore").addEventListener("click", () => trigger("explored"));
find(".open").addEventListener("click", () => find(".file").click());
find(".file").addEventListener("change", (event) => {
  addFile(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
find(".by-seed").addEventListener("submit", (event) => {
  event.preventDefault();
  addFaces([seedFace(Number(find(".by-seed input").value))]);
});
const takesFile = (event) => element.offsetParent !== null && [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => takesFile(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!takesFile(event)) return;
  event.preventDefault();
  addFile(event.dataTransfer.files[0]);
});

// ---- the film -------------------------------------------------------------------------------------------------------

// After any change of what the film shows: one question at a time, and only about the newest.
async function change() {
  showFaces();
  const least = way === "back" ? 2 * (faces.length - 1) : faces.length;
  find("input.frames").min = Math.max(8, least);
  showNumbers();
  rememberMorph();
  changed = true;
  if (asking) return;
  asking = true;
  if (!sheet) find(".where").textContent = "Drawing the frames…";
  try {
    while (changed) {
      changed = false;
      await drawSheet();
    }
  } finally {
    asking = false;
  }
}

async function drawSheet() {
  if (faces.length < 2) return show(null);
  const asked = { faces: faces.map((face) => face.face), frames: frames(), way: way, fps: fps() };
  const answer = await request("morph_film", asked, find(".message"));
  if (answer.problem) return sheet || show(null); // the last film stays
  const picture = await createImageBitmap(await (await fetch(answer.sheet)).blob());
  if (changed) picture.close();
  else show({ ...answer, picture: picture });
}

function show(fresh) {
  const share = sheet ? at / sheet.frames : 0;
  if (sheet) sheet.picture.close();
  const first = !sheet;
  sheet = fresh;
  shown = -1;
  at = sheet ? Math.min(sheet.frames - 1, share * sheet.frames) : 0;
  scrub.max = sheet ? sheet.frames - 1 : 0;
  for (const control of [scrub, find(".play"), ...all(".formats button")]) control.disabled = !sheet || (making && control.dataset.format);
  showStrip();
  if (!sheet) {
    film.pause();
    screen.getContext("2d").clearRect(0, 0, screen.width, screen.height);
    find(".where").textContent = faces.length < 2 ? "A morph needs two faces." : "";
  } else if (first && !matchMedia("(prefers-reduced-motion: reduce)").matches) film.play();
  render();
}

function drawFrame(canvas, frame, pixels) {
  if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const x = (frame % sheet.columns) * sheet.cell, y = Math.floor(frame / sheet.columns) * sheet.cell;
  context.drawImage(sheet.picture, x, y, sheet.side, sheet.side, 0, 0, pixels, pixels);
}

function showStrip() {
  strip.hidden = !sheet;
  if (!sheet) return strip.replaceChildren();
  const n = Math.min(sheet.frames, Math.max(STRIP[0], Math.min(STRIP[1], Math.floor(root.clientWidth / 64))));
  const last = way === "once" ? sheet.frames - 1 : sheet.frames * (1 - 1 / n);
  strip.replaceChildren(...[...Array(n).keys()].map((i) => {
    const frame = Math.round((last * i) / Math.max(1, n - 1)), tile = make("button");
    tile.dataset.frame = frame;
    tile.setAttribute("aria-label", "Frame " + (frame + 1));
    drawFrame(tile.appendChild(document.createElement("canvas")), frame, 96);
    tile.addEventListener("click", () => hold(frame));
    return tile;
  }));
}

function render() {
  if (!sheet) return;
  const frame = Math.min(sheet.frames - 1, Math.floor(at));
  if (frame === shown) return;
  shown = frame;
  drawFrame(screen, frame, 512);
  scrub.value = frame;
  fill(scrub);
  scrub.setAttribute("aria-valuetext", "frame " + (frame + 1) + " of " + sheet.frames);
  showNumbers();
  const tiles = [...strip.children];
  const near = tiles.findLastIndex((tile) => Number(tile.dataset.frame) <= frame);
  tiles.forEach((tile, i) => tile.setAttribute("aria-current", i === near));
  strip.scrollLeft = tiles[near].offsetLeft - strip.offsetLeft - (strip.clientWidth - tiles[near].offsetWidth) / 2;
  const round = way === "loop" ? sheet.frames : Infinity;
  const distance = sheet.stops.map((stop) => Math.min(Math.abs(stop - frame), round - Math.abs(stop - frame)));
  const closest = distance.indexOf(Math.min(...distance));
  [...list.children].forEach((item, i) => item.classList.toggle("current", i === closest));
}

function showNumbers() {
  all(".number input").forEach(fill);
  find("input.frames + output").textContent = frames();
  find("input.fps + output").textContent = fps();
  if (sheet) find(".where").textContent = "Frame " + (shown + 1) + " of " + sheet.frames + " · " + (sheet.frames / fps()).toFixed(1) + " s";
}

function hold(frame) {
  film.pause();
  at = frame;
  render();
}

find(".play").addEventListener("click", () => (film.playing ? film.pause() : film.play()));
scrub.addEventListener("input", () => hold(Number(scrub.value)));
find("input.frames").addEventListener("input", change);
find("input.fps").addEventListener("input", () => { showNumbers(); rememberMorph(); });
function switchGroup(buttons, chosenButton) {
  for (const button of buttons) button.setAttribute("aria-pressed", button === chosenButton);
}
for (const button of all(".ways button")) button.addEventListener("click", () => {
  way = button.dataset.way;
  switchGroup(all(".ways button"), button);
  change();
});

// ---- files ----------------------------------------------------------------------------------------------------------

for (const button of all(".sides button")) button.addEventListener("click", () => {
  side = Number(button.dataset.side);
  switchGroup(all(".sides button"), button);
  rememberMorph();
});
if (before) {
  ({ way, side, chosen } = before);
  find("input.frames").value = before.frames;
  find("input.fps").value = before.fps;
  switchGroup(all(".ways button"), find(`[data-way="${way}"]`));
  switchGroup(all(".sides button"), find(`[data-side="${side}"]`));
}
const formats = root.dataset.formats.split(" ");
for (const button of all(".formats button")) {
  const format = button.dataset.format;
  button.hidden = !formats.includes(format);
  button.addEventListener("click", () => {
    making = Date.now();
    showProgress(0);
    makingWhat = "Making " + button.textContent + ", " + side + " pixels…";
    find(".kept").textContent = "Waiting for its turn…";
    expectNews();
    const asked = { faces: faces.map((face) => face.face), frames: frames(), fps: fps(), way: way, format: format, side: side };
    trigger("make", { asked: asked, number: making });
  });
}
find(".cancel").addEventListener("click", () => {
  trigger("give_up");
  endMaking("Given up.");
});

function showProgress(share) {
  find(".progress").hidden = !making;
  find(".bar").setAttribute("aria-valuenow", Math.round(100 * share));
  find(".bar i").style.width = 100 * share + "%";
  for (const button of all(".formats button")) button.disabled = Boolean(making) || !sheet;
}

// Nothing is waited for in silence: the maker may have died with its connection open.
let news;
function expectNews() {
  clearTimeout(news);
  news = setTimeout(() => (find(".kept").textContent = "Nothing has come from the server for half a minute: Cancel, and make it again."), 30000);
}

function endMaking(sentence) {
  clearTimeout(news);
  making = 0;
  showProgress(0);
  find(".kept").textContent = sentence;
}

function receiveFilm(made) {
  if (made.number !== making) return; // of one that was given up
  if ("share" in made) {
    expectNews();
    find(".kept").textContent = makingWhat;
    return showProgress(made.share);
  }
  if (made.content) save(made);
  const bytes = made.content && (made.content.length * 3) / 4;
  endMaking(made.problem || "Saved " + made.name + ", " + (bytes < 1e6 ? Math.round(bytes / 1e3) + " kB" : (bytes / 1e6).toFixed(1) + " MB"));
}
