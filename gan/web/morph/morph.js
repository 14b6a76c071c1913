// The Morph tab: a film through a few faces, its files, and arithmetic with faces. One sheet of all frames is drawn
// whenever the film changes. Names and sentences go into the page as text, never as HTML.
import { drawn, foresee } from "../engine/choosing.js";
import { FaceError } from "../latent/face.js";
import { ask } from "../shared/asking.js";
import { takeDrops } from "../shared/dropping.js";
import { fill, say } from "../shared/elements.js";
import { stateOf } from "../shared/files.js";
import { follow } from "../shared/following.js";
import { watchOpening } from "../shared/opening.js";
import { remember, remembered } from "../shared/remembering.js";
import { buildUndoing } from "../shared/undoing.js";
import { walk } from "../shared/walking.js";
import { answers } from "./answers.js";
import { buildDownload } from "./download.js";
import { buildFaces } from "./faces.js";
import { buildFilm } from "./film.js";
import { facesFor, firstFaces, randomSeed, seedFace } from "./seeds.js";
import { buildSum } from "./sum.js";
import { leastFrames } from "./timing.js";

const KEPT = ["model", "faces", "way", "side", "frames", "fps", "terms"]; // of a state, for a way back
const NO_FACE = "This file carries no face: expected a PNG that was saved on this page.";

const isAlike = (one, other) => KEPT.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));

export function mount({ element, trigger, props, server, watch }) {
  const root = element.querySelector(".morph");
  const find = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const told = find(".told");
  const frames = find("input.frames");
  const fps = find("input.fps");
  const most = Number(root.dataset.most);
  let before = remembered("morph"); // what was here before a reload
  let model = "";
  let chosen = Boolean(before?.chosen); // the latter once it was chosen here; until then it is Explore's
  let way = "loop";
  let side = 256;
  let drawing = false;
  let isOld = false; // whether a sheet is being drawn, and whether it is wanted otherwise by now
  let filling = 0; // with a model's first faces and sum: until they are there, there is nothing to go back to

  const faces = buildFaces(root, { changed: rearranged, look: (face) => film.lookAt(face) });
  const film = buildFilm(root, () => ({ way, fps: Number(fps.value) }), faces.mark);
  const download = buildDownload(root, trigger, () => ({ ...wanted(), side }));
  const sum = buildSum(root, {
    model: () => model,
    request,
    add: (face) => addFaces([face]),
    changed: keep,
  });
  const undoing = buildUndoing(root, { same: isAlike, put: restore });

  // Asks the browser where it draws, else the server; what is answered in words is shown in `place`.
  async function request(name, asked, place) {
    const answer = await answered(name, asked);
    if (place.classList.contains("message")) say(place, answer.problem ?? "");
    else place.textContent = answer.problem ?? "";
    return answer;
  }

  async function answered(name, asked) {
    const elsewhere = () => ask(server, name, asked);
    if (!answers[name]) return elsewhere();
    const here = (engine) =>
      answers[name](engine, asked).catch((error) => {
        if (error instanceof FaceError) return { problem: error.message };
        throw error;
      });
    return drawn(model, here, elsewhere);
  }

  // ---- faces --------------------------------------------------------------------------------------------------------

  async function useModel(name, start) {
    if (!name || name === model) return;
    const known = before?.model === name ? before : null;
    const last = { model, faces: faces.all };
    const { wanted, left } = facesFor(name, faces.states);
    before = null;
    model = name;
    filling += 1;
    foresee(model);
    faces.set([]);
    const texts = known ? known.faces : last.faces.length ? wanted : firstFaces(name, start);
    try {
      const isAdded = await addFaces(texts);
      if (name !== model) return; // another was chosen meanwhile
      if (!isAdded && texts.length) {
        model = last.model; // whoever chooses the model again tries again
        return faces.set(last.faces);
      }
      if (left) {
        const which = left > 1 ? " faces were" : " face was";
        told.textContent = `${left + which} made of other numbers than a seed's and stayed with the other model.`;
      }
      await sum.start(known);
    } finally {
      filling -= 1;
      keep();
    }
  }

  // texts: states. True if any could be drawn.
  async function addFaces(texts) {
    const name = model;
    if (faces.all.length + texts.length > most) {
      told.textContent = `A morph takes at most ${most} faces: remove one first.`;
      return false;
    }
    const answer = await request("morph_faces", { model: name, faces: texts }, told);
    if (name !== model || !answer.faces) return false; // another model was chosen meanwhile
    faces.set([...faces.all, ...answer.faces].slice(0, most));
    await change();
    return answer.faces.length > 0;
  }

  // By hand: what was said of the faces before is no longer true.
  function rearranged() {
    told.textContent = "";
    change();
  }

  async function addFile(file) {
    const state = file && (await stateOf(file));
    if (state) await addFaces([state]);
    else told.textContent = NO_FACE;
  }

  // ---- the film -----------------------------------------------------------------------------------------------------

  const wanted = () => ({ faces: faces.states, frames: Number(frames.value), fps: Number(fps.value), way });

  // After any change of what the film shows: one question at a time, and only about the newest.
  async function change() {
    frames.min = leastFrames(way, faces.all.length);
    showNumbers();
    keep();
    download.forget();
    isOld = true;
    if (drawing) return;
    drawing = true;
    if (!film.isThere) find(".where").textContent = "Drawing the frames…";
    try {
      while (isOld) {
        isOld = false;
        await drawSheet();
      }
    } finally {
      drawing = false;
    }
  }

  async function drawSheet() {
    if (faces.all.length < 2) return showFilm(null);
    const answer = await request("morph_film", wanted(), find(".message"));
    if (answer.problem) return film.isThere || showFilm(null); // the last film stays
    const picture = answer.picture ?? (await createImageBitmap(await (await fetch(answer.sheet)).blob()));
    if (isOld) picture.close();
    else showFilm({ ...answer, picture });
  }

  function showFilm(sheet) {
    film.show(sheet);
    download.allow(sheet !== null);
    if (!sheet) find(".where").textContent = faces.all.length < 2 ? "A morph needs two faces." : "";
  }

  function showNumbers() {
    for (const input of [frames, fps]) {
      fill(input);
      input.nextElementSibling.textContent = input.value;
    }
    film.tell();
  }

  // ---- settings -----------------------------------------------------------------------------------------------------

  function press(buttons, pressed) {
    for (const button of buttons) button.setAttribute("aria-pressed", button === pressed);
  }

  function showSettings() {
    press(all(".ways button"), find(`[data-way="${way}"]`));
    press(all(".sides button"), find(`[data-side="${side}"]`));
    showNumbers();
  }

  // For a reload of the page, and for a way back.
  function keep() {
    if (!model) return;
    const settings = { way, side, frames: Number(frames.value), fps: Number(fps.value) };
    const state = { model, faces: faces.states, ...settings, ...sum.state };
    remember("morph", { ...state, chosen });
    if (!filling) undoing.moved({ ...state, shown: faces.all });
  }

  function putSettings(state) {
    ({ way, side } = state);
    frames.min = leastFrames(way, state.faces.length);
    frames.value = state.frames;
    fps.value = state.fps;
    showSettings();
  }

  // What was here before a gesture.
  function restore(state) {
    putSettings(state);
    if (state.model !== model) {
      before = state; // as after a reload
      return trigger("opened", { chosen: state.model });
    }
    told.textContent = "";
    if (JSON.stringify(state.terms) !== JSON.stringify(sum.state.terms)) sum.put(state);
    faces.set(state.shown);
    change();
  }

  for (const button of all(".ways button")) {
    button.addEventListener("click", () => {
      way = button.dataset.way;
      showSettings();
      change();
    });
  }
  for (const button of all(".sides button")) {
    button.addEventListener("click", () => {
      side = Number(button.dataset.side);
      download.forget();
      showSettings();
      keep();
    });
  }
  frames.addEventListener("input", change);
  fps.addEventListener("input", () => {
    download.forget();
    showNumbers();
    keep();
  });

  // ---- ways to add a face -------------------------------------------------------------------------------------------

  find(".random").addEventListener("click", () => addFaces([seedFace(model, randomSeed())]));
  find(".explore").addEventListener("click", () => trigger("explored"));
  find(".open").addEventListener("click", () => find(".file").click());
  find(".file").addEventListener("change", (event) => {
    addFile(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  find(".by-seed").addEventListener("submit", (event) => {
    event.preventDefault();
    addFaces([seedFace(model, Number(find(".by-seed input").value))]);
  });
  takeDrops(element, addFile);
  walk(root, ".steps, .faces, .ways, .strip, .sides, .equation, .choices");

  // ---- life ---------------------------------------------------------------------------------------------------------

  function receive(value) {
    if (value.film) return download.receive(value.film);
    if (value.failed) return download.fail();
    if (value.explored) return addFaces([value.explored]);
    if (value.problem) say(find(".message"), value.problem);
    if (value.chosen) chosen = true;
    if (value.model) useModel(value.model, value.start);
  }

  if (before) putSettings(before);
  else showSettings();
  showFilm(null);
  follow({ props, watch }, (value) => receive(value || {}));
  const closed = () => film.pause();
  watchOpening(element, () => trigger("opened", { chosen: before?.model ?? (chosen ? model : "") }), closed);
}
