// The large picture with its facts, or a notice in its place.
import { write } from "../shared/elements.js";
import { fill, html } from "../shared/html.js";
import { toQuery } from "../shared/state.js";
import { describe } from "../shared/words.js";
import { SWITCH } from "./drawer.js";
import { standing } from "./standing.js";
import { WANDER } from "./wander.js";

const JUDGE =
  "The discriminator, the network that the generator learned to fool, judges this picture: how many of the " +
  "model's own pictures, and of real ones, look less real to it";
const FRAME = html`<p class="note" role="status" hidden> </p>
  <div class="picture"><img decoding="sync"><canvas role="img" hidden></canvas>${WANDER}</div>
  <div class="facts">
    <div class="critic" title="${JUDGE}"><span>Critic</span><span class="meter"><i></i></span>
      <span><span class="before"> </span><b class="percent"> </b><span class="after"> </span></span></div>
    <p class="no-critic" hidden>There is no critic that could judge this picture.</p>
    <p class="speed"><span><span class="size"> </span><span class="live" hidden>still training</span></span>
      <span><b class="milliseconds"> </b> ms a frame</span></p>
    ${SWITCH}
  </div>`;

// drawn: what an engine gives; smooth: it was enlarged without visible pixels; note: a sentence above, none if empty.
// For each picture only values change: new elements would let the browser look through all styles again.
export function showFace(element, face, drawn, smooth, note = "") {
  if (!element.querySelector(".picture img")) fill(element, FRAME);
  const find = (selector) => element.querySelector(selector);
  const { size, numbers, training } = drawn.about;
  const words = describe(face);
  const [image, canvas] = [find("img"), find("canvas")];
  const isHere = drawn.picture instanceof ImageData; // drawn in this browser
  if (isHere) paint(canvas, drawn.picture);
  else {
    image.src = drawn.picture;
    image.width = image.height = size;
  }
  image.hidden = isHere;
  canvas.hidden = !isHere;
  image.alt = words;
  canvas.setAttribute("aria-label", words);
  const picture = find(".picture");
  picture.classList.toggle("pixels", !smooth);
  Object.assign(picture.dataset, {
    face: JSON.stringify(face),
    query: toQuery(face),
    seed: face.latent ? "" : face.seed, // no face of the grid is one with a latent of its own
  });
  write(find(".note"), note);
  find(".note").hidden = !note;
  write(find(".size"), `${size} × ${size} pixels from ${numbers} numbers`);
  find(".live").hidden = !training;
  write(find(".milliseconds"), drawn.milliseconds.toFixed(1));
  const isOther = picture.dataset.model !== face.model;
  picture.dataset.model = face.model;
  if (drawn.score !== undefined || isOther) showScore(element, drawn.score);
  return picture.dataset;
}

// score: null where none can judge; undefined while the critic is on its way.
export function showScore(element, score) {
  const told = standing(element.querySelector(".picture").dataset.model, score);
  element.querySelector(".critic").hidden = score === null;
  element.querySelector(".no-critic").hidden = score !== null;
  element.querySelector(".meter i").style.width = told.percent.startsWith("…") ? 0 : told.percent.replace(" ", "");
  for (const [part, words] of Object.entries(told)) write(element.querySelector(`.critic .${part}`), words);
}

// Sooner on the page than an <img>, whose picture is read and decoded first.
function paint(canvas, picture) {
  if (canvas.width !== picture.width) canvas.width = canvas.height = picture.width;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Backquotes in the text mark code.
export function showNotice(element, text) {
  const parts = text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? html`<code>${part}</code>` : part));
  fill(element, html`<div class="picture notice" role="alert"><p>${parts}</p></div><div class="facts"></div>`);
}
