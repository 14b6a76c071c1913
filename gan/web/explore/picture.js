// The large picture with its facts, or a notice in its place.
import { fill, html } from "../shared/html.js";
import { changes, origin, toQuery } from "../shared/state.js";

const FRAME = html`<p class="note" role="status" hidden></p><div class="picture"><img decoding="sync"></div><div class="facts"></div>`;

// drawn: what an engine gives; smooth: it was enlarged without visible pixels; note: a sentence above, none if empty.
export function showFace(element, face, drawn, smooth, note = "") {
  if (!element.querySelector(".picture img")) fill(element, FRAME);
  const picture = element.querySelector(".picture");
  const image = picture.querySelector("img");
  const { size } = drawn.about;
  image.src = drawn.picture;
  image.width = image.height = size;
  const changed = changes(face) ? `, ${changes(face)} sliders moved` : "";
  image.alt = `Picture that ${face.model} draws for ${origin(face)}${changed}`;
  picture.classList.toggle("pixels", !smooth);
  // No face of the grid is one with a latent of its own.
  Object.assign(picture.dataset, {
    face: JSON.stringify(face),
    query: toQuery(face),
    seed: face.latent ? "" : face.seed,
  });
  const said = element.querySelector(".note");
  if (said.textContent !== note) said.textContent = note;
  said.hidden = !note;
  fill(element.querySelector(".facts"), facts(drawn));
  return picture.dataset;
}

// Backquotes in the text mark code.
export function showNotice(element, text) {
  const parts = text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? html`<code>${part}</code>` : part));
  fill(element, html`<div class="picture notice" role="alert"><p>${parts}</p></div><div class="facts"></div>`);
}

function facts({ score, milliseconds, about }) {
  const training = about.training && html`<span class="live">still training</span>`;
  return html`${critic(score)}<p class="speed"><span>${about.size} × ${about.size} pixels from ${about.numbers} numbers${training}</span>
    <span><b>${milliseconds.toFixed(1)}</b> ms a frame</span></p>`;
}

function critic(score) {
  if (score === null) return html`<p class="critic">There is no critic that could judge this picture.</p>`;
  const percent = Math.round(100 * score);
  return html`<div class="critic" title="The discriminator, the network that the generator learned to fool, judges this picture">
    <span>Critic</span><span class="meter"><i style="width:${percent}%"></i></span>
    <span><b>${percent} %</b> sure that it is a real picture</span></div>`;
}
