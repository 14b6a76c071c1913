// Under the picture: the link, the PNG, and the way back from a PNG to its face.
import { ask } from "../shared/asking.js";
import { takeDrops } from "../shared/dropping.js";
import { save, stateOf } from "../shared/files.js";
import { listen, tell } from "../shared/telling.js";
import { walk } from "../shared/walking.js";
import { isSmooth } from "./controls.js";
import { undoFaces } from "./undoing.js";

export function mount({ element, server }) {
  const said = element.querySelector(".said span");
  const link = element.querySelector(".link");
  const chooser = element.querySelector("input[type=file]");
  let query = ""; // of the face that is shown; "" while there is none
  let problem = ""; // why the picture does not follow, "" where it does
  let arriving = ""; // what is said of the next face

  function say(text, address = "") {
    said.textContent = text;
    link.hidden = !address;
    link.value = address;
  }

  async function restore(file) {
    const state = file && (await stateOf(file));
    arriving = state ? `Restored from ${file.name}` : "";
    say(arriving || "This file carries no face: expected a PNG that was saved here.");
    if (state) tell("face-wanted", state);
  }

  const actions = {
    async link() {
      const address = `${location.origin}${location.pathname}?${query}`;
      try {
        await navigator.clipboard.writeText(address);
        say("Link copied", window.self === window.top ? "" : address);
      } catch {
        say("Copy it from here:", address); // not allowed in this frame, or the page came over plain HTTP
        link.select();
      }
    },
    async save() {
      const file = await ask(server, "download", { query, smooth: isSmooth() });
      if (file.problem) return say(file.problem);
      save({ name: file.name, type: "image/png", content: file.png });
      say(`Saved ${file.name}`);
    },
    open() {
      chooser.click();
    },
  };

  walk(element, ".tools");
  undoFaces(element);
  element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    if (!query && button.dataset.do !== "open") return say("There is no face yet.");
    actions[button.dataset.do]();
  });
  chooser.addEventListener("change", () => {
    restore(chooser.files[0]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  takeDrops(element, restore, (isHeld) => {
    if (isHeld) document.documentElement.dataset.dropping = "true";
    else delete document.documentElement.dataset.dropping;
  });
  listen("face-shown", (shown) => {
    query = shown.query;
  });
  // What is said is true of the face that was there.
  listen("face-moved", () => {
    if (said.textContent === problem && !arriving) return;
    say(arriving);
    arriving = "";
  });
  listen("corrected", (sentence) => say(sentence));
  listen("face-problem", (sentence) => {
    if (sentence || said.textContent === problem) say(sentence);
    problem = sentence;
  });
}
