// The Photo tab: a picture is opened and cropped in the browser, and the face in the square that was chosen is looked
// for there too, or by the server (searching.js). Names and sentences go into the page as text.
import { draws, foresee } from "../engine/choosing.js";
import { ask } from "../shared/asking.js";
import { takeDrops } from "../shared/dropping.js";
import { say } from "../shared/elements.js";
import { follow } from "../shared/following.js";
import { watchOpening } from "../shared/opening.js";
import { remember, remembered } from "../shared/remembering.js";
import { toExplore } from "../shared/tabs.js";
import { listen } from "../shared/telling.js";
import { buildCrop } from "./crop.js";
import { findFace } from "./detecting.js";
import { buildFound } from "./found.js";
import { isCut } from "./jpeg.js";
import { openPhoto, reopenPhoto } from "./opening.js";
import { buildSearch, makeReady } from "./searching.js";
import { around } from "./square.js";

const FACE_HINT =
  "Drag and zoom until eyes, mouth and outline lie on the dashed lines: the model knows faces in this place only.";
const OTHER_HINT = "Drag and zoom until it fills the square as the pictures do that this model draws.";
const LOOKING = "Looking for a face…";
const SPOTTED = "A face was found; drag or size the square.";
const NO_FACE = "No face was found in this picture: put the square round one yourself.";
const CUT = "This JPEG is cut short: what is missing of it is grey. Save or send it again, or go on with the rest.";
const FAILED = "The server did not look for this face: try again in a moment.";
const SILENT = "Nothing has come from the server for half a minute: Stop, and try again.";

export function mount({ element, trigger, props, server, watch }) {
  const root = element.querySelector(".photo");
  const find = (selector) => root.querySelector(selector);
  const { bytes, pixels, least } = root.dataset;
  const limits = { bytes: Number(bytes), pixels: Number(pixels), least: Number(least) };
  const crop = buildCrop(root, keepForReload);
  const found = buildFound(root);
  const search = buildSearch(trigger, { told: receiveSearch, silent: () => found.tell(SILENT) });
  const tell = (sentence) => say(find(".message"), sentence); // below the model's choice: what is wrong
  let before = remembered("search"); // what was here before a reload
  let about = { model: "" }; // the model: its name, size, and whether it draws faces
  let chosen = Boolean(before?.chosen); // whether the visitor chose it here; until then it is Explore's
  let last = null; // what was told last
  let looked = null; // the photo that a face was looked for in
  let opening = 0; // counts, so that of two photos the later is shown

  // ---- the photo ----------------------------------------------------------------------------------------------------

  async function open(file) {
    if (!file) return;
    const number = ++opening;
    tell("");
    try {
      const opened = await openPhoto(file, limits, (content) => ask(server, "photo_open", { content }));
      if (number !== opening) return; // another was chosen meanwhile
      before = null;
      put(opened);
      remember("photo", opened.toDataURL("image/jpeg", 0.95)); // in this browser, for a reload of the page
      reset();
      const isHalf = isCut(new Uint8Array(await file.arrayBuffer()));
      if (isHalf && number === opening) tell(CUT);
    } catch (error) {
      if (number === opening) tell(error.message);
    }
  }

  function put(opened, square) {
    root.classList.add("opened");
    find(".drop").hidden = true;
    find(".work").hidden = false;
    tellSpotted("");
    crop.put(opened, square);
    showWhere();
  }

  // As soon as this browser draws, once for each photo: the square goes round the largest face, unless the visitor has put
  // it where it is, or goes on with it.
  async function spot() {
    const { photo } = crop;
    const isFree = () => photo === crop.photo && !crop.isTaken && !search.isRunning && !last;
    if (!about.faces || looked === photo || !isFree()) return;
    looked = photo;
    tellSpotted(LOOKING);
    const told = await findFace(about.model, photo);
    if (photo !== crop.photo) return;
    if (!told || !isFree()) return tellSpotted("");
    if (told.marks) crop.propose(around(told.marks));
    tellSpotted(told.marks ? SPOTTED : NO_FACE);
  }

  const tellSpotted = (sentence) => {
    find(".spotted").textContent = sentence;
  };

  // ---- the search ---------------------------------------------------------------------------------------------------

  function start() {
    last = null;
    tell("");
    found.hide();
    search.begin(about.model, crop);
    found.tell(search.isHere ? "Looking…" : "Sent…");
    show();
    find(".outcome").scrollIntoView({ block: "nearest" }); // below the photo, where the page is narrow
  }

  function stop() {
    search.giveUp();
    show();
    if (last) found.tellFacts(last);
    else found.tell("");
  }

  // Another photo or model: what was found belongs to the one before.
  function reset() {
    search.giveUp();
    last = null;
    found.hide();
    show();
  }

  function show() {
    keepForReload();
    find(".go").disabled = !about.model || search.isRunning;
    find(".go").textContent = last && !search.isRunning ? "Find it again" : "Find this face";
    find(".stop").hidden = !search.isRunning;
    find(".take").hidden = !last || search.isRunning;
    find(".step").textContent = last ? `step ${last.step} of ${last.steps}` : "";
    find(".size").textContent = about.size ? `${about.size} × ${about.size} pixels` : "";
    find(".guide").style.display = about.faces ? "" : "none";
    find(".spotted").hidden = !about.faces;
    find(".hint").textContent = about.faces ? FACE_HINT : OTHER_HINT;
    showWhere();
  }

  // Where the photo goes.
  function showWhere() {
    const stays = search.isRunning ? search.isHere : draws(about.model);
    if (stays && crop.photo) {
      spot();
      makeReady(about.model);
    }
    find(".stays").hidden = !stays;
    find(".sent").hidden = stays;
  }

  function showFound(told) {
    last = told;
    found.show(told, about.model);
    show();
  }

  function receiveSearch(told) {
    if (told.waiting) return found.tell(told.waiting);
    if (told.problem) return fail(told.problem);
    if (told.step === told.steps) search.end();
    showFound(told);
    // While it runs only its beginning, so that a screen reader is not flooded.
    if (!search.isRunning || told.step === 0) found.tellFacts(told);
  }

  function fail(sentence) {
    search.end();
    found.tell("");
    tell(sentence);
    show();
  }

  // ---- over a reload ------------------------------------------------------------------------------------------------

  function keepForReload() {
    if (!about.model || before) return;
    // What was looked for here is not sent after a reload, when the browser may not yet draw.
    remember("search", {
      model: about.model,
      chosen,
      crop: crop.square,
      last,
      searching: search.isRunning && !search.isHere,
    });
  }

  // The photo and what was found, or looked for, before the page was reloaded.
  async function restore() {
    const picture = remembered("photo");
    if (!picture) {
      before = null;
      return;
    }
    try {
      const opened = await reopenPhoto(picture, limits);
      if (!before) return; // another was chosen meanwhile
      const { model, crop: square, last: told, searching } = before;
      before = null;
      remember("photo", picture);
      put(opened, square);
      if (model !== about.model) return;
      if (searching) start();
      else if (told) {
        showFound(told);
        found.tellFacts(told);
      }
    } catch (error) {
      before = null;
      console.warn("The photo did not outlast the reload:", error);
    }
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  function receive(value) {
    if (value.search) return search.hears(value.search) && receiveSearch(value.search); // else it was given up
    if (value.failed) return search.isRunning && fail(FAILED);
    if (value.chosen) chosen = true;
    if (value.problem !== undefined) tell(value.problem);
    if (value.about && value.about.model !== about.model) {
      about = value.about;
      if (about.model) foresee(about.model);
      reset();
    }
    if (before && about.model) restore();
  }

  const isInView = () => element.offsetParent !== null;
  const chooser = find(".file");
  for (const button of root.querySelectorAll(".choose")) button.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    open(chooser.files[0]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const file = isInView() && event.clipboardData.files[0];
    if (!file) return;
    event.preventDefault();
    open(file);
  });
  takeDrops(element, open, (isHeld) => root.classList.toggle("dropping", isHeld));
  find(".go").addEventListener("click", start);
  find(".stop").addEventListener("click", stop);
  find(".take").addEventListener("click", () => toExplore(last.state));
  listen("engine-changed", showWhere);
  follow({ props, watch }, (value) => receive(value || {}));
  watchOpening(element, () => trigger("opened", { chosen: before?.model ?? (chosen ? about.model : "") }));
}
