// A direction of the visitor's own: faces of the grid are marked + or −, and get a name.
import { follow } from "../shared/following.js";
import { fill, html } from "../shared/html.js";
import { remember, remembered } from "../shared/remembering.js";
import { listen, tell } from "../shared/telling.js";
import { walk } from "../shared/walking.js";

const YOURS = "#basis input[value=Yours]";
const MOST = 32; // faces with each mark

export function mount({ element, trigger, ...component }) {
  const form = element.querySelector("form");
  const told = element.querySelector(".told");
  const before = remembered("marks");
  let marks = new Map(before?.marks); // seed -> { sign, picture }
  let reopening = Boolean(before);
  let model = before?.model ?? null;
  let made = before?.made ?? 0; // the latter counts those of the model

  const say = (text) => {
    told.textContent = text;
  };
  const seeds = (sign) => [...marks].filter(([, face]) => face.sign === sign).map(([seed]) => Number(seed));

  function show() {
    for (const row of element.querySelectorAll(".marked")) {
      const shown = [...marks].filter(([, face]) => face.sign === row.dataset.of);
      fill(row, [html`<b>${row.dataset.of}</b>`, ...shown.map(([seed, { picture }]) => marked(seed, picture))]);
    }
    tell("marks-changed", marks);
    remember("marks", { model, made, marks: [...marks] });
  }

  listen("face-mark", ({ seed, sign, picture }) => {
    if (marks.get(seed)?.sign === sign) marks.delete(seed);
    else if (seeds(sign).length >= MOST) return say(`${MOST} faces with one mark are the most.`);
    else marks.set(seed, { sign, picture });
    say("");
    show();
  });
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.remove) trigger("remove", { name: button.dataset.remove });
    if (!button?.dataset.unmark) return;
    marks.delete(button.dataset.unmark);
    show();
  });
  walk(element, ".marked");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = form.elements.name.value.trim();
    const has = seeds("+");
    const lacks = seeds("−");
    if (!has.length || !lacks.length) return say("Mark at least one face with + and one with − in the grid below.");
    if (!name) return say("Give it a name: what do the faces with + have?");
    trigger("make", { name, has, lacks });
  });
  follow(component, (own) => {
    for (const control of form.elements) control.disabled = own.full;
    say(own.full ? full(own) : "");
    const list = element.querySelector(".made");
    list.hidden = !own.made.length;
    fill(list, own.made.map(item));
    const finished = own.made.length > made;
    if (finished) form.reset();
    if (finished || own.model !== model) marks = new Map(); // on another model the same seeds are other faces
    model = own.model;
    made = own.made.length;
    show();
    if (reopening && marks.size) setTimeout(() => document.querySelector(YOURS)?.click()); // after Gradio has put it there
    reopening = false;
  });
}

function marked(seed, picture) {
  return html`<button type="button" data-unmark="${seed}" aria-label="Seed ${seed}: take the mark away"><img src="${picture}" alt=""></button>`;
}

function item({ name, has, lacks }) {
  return html`<li><b>${name}</b> ${has} faces against ${lacks}<button type="button" data-remove="${name}" aria-label="Remove ${name}">Remove</button></li>`;
}

function full({ most, elsewhere }) {
  const where = elsewhere ? ` (${elsewhere} of them on another model)` : "";
  return `There are ${most} sliders of yours${where}: remove one to make another.`;
}
