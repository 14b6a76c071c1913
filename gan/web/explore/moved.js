// Under the picture: what is moved, in view or not, each with its way back; and a face of its own, which no seed draws.
import { write } from "../shared/elements.js";
import { fill, html } from "../shared/html.js";
import { remember, remembered } from "../shared/remembering.js";
import { change } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";
import { walk } from "../shared/walking.js";
import { moved, signed } from "../shared/words.js";
import { controlOf } from "./controls.js";

const IS_OWN = "This face has numbers of its own, from a photo, a sum or a walk: no seed draws it.";
const WAS_OWN = "You have left a face with numbers of its own.";
const PATIENCE = 3000; // milliseconds for sliders to come

export function mount({ element, trigger }) {
  const [own, chips] = [".own", ".chips"].map((selector) => element.querySelector(selector));
  let face = null;
  let left = remembered("own face"); // the last face that had numbers of its own
  let shown = ""; // of the chips: what they are there for

  function show() {
    const isOwn = Boolean(face.latent);
    own.hidden = !isOwn && !left;
    write(own.firstChild, isOwn ? IS_OWN : WAS_OWN);
    own.querySelector("[data-back]").hidden = isOwn;
    document.documentElement.toggleAttribute("data-own-face", isOwn);
    const all = moved(face).map((one) => ({ ...one, says: signed(one.value), base: 0 }));
    if (face.truncation !== 1) all.unshift({ key: "truncation", name: "Truncation", says: face.truncation, base: 1 });
    const keys = JSON.stringify(all.map(({ key }) => key));
    if (keys !== shown) fill(chips, all.map(chip));
    else for (const [at, one] of all.entries()) write(chips.children[at].querySelector("[data-show]"), words(one));
    shown = keys;
  }

  async function reveal(key) {
    const slider = () => {
      const range = controlOf(key)?.querySelector("input[type=range]");
      return range?.checkVisibility() ? range : null;
    };
    if (!slider()) trigger("reveal", { key });
    for (const until = performance.now() + PATIENCE; !slider() && performance.now() < until; )
      await new Promise(requestAnimationFrame);
    slider()?.scrollIntoView({ block: "nearest" });
    slider()?.focus();
  }

  element.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const { show: key, undo, base } = button.dataset;
    if ("back" in button.dataset) tell("face-wanted", JSON.stringify(left));
    if (key) reveal(key);
    if (undo) tell("face-wanted", JSON.stringify(change(face, undo, Number(base))));
  });
  walk(element, ".chips");
  listen("face-moved", (text) => {
    face = JSON.parse(text);
    if (face.latent) {
      left = face;
      remember("own face", left);
    }
    show();
  });
}

const words = ({ name, says }) => `${name} ${says}`;

function chip(one) {
  const { key, name, base } = one;
  return html`<span><button type="button" data-show="${key}" title="Show this slider">${words(one)}</button><button
    type="button" data-undo="${key}" data-base="${base}" aria-label="Put ${name} back to ${base}">×</button></span>`;
}
