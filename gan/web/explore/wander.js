// Wander: the face walks through random others, and its sliders stay where they are. A key or a tap stops it, and the
// face that is there then is the visitor's. Where less motion is wished for, a press is a single step.
import { draws } from "../engine/choosing.js";
import { decodeLatent, encodeLatent } from "../latent/numbers.js";
import { latents } from "../latent/seeds.js";
import { wanderer } from "../latent/wandering.js";
import { html } from "../shared/html.js";
import { listen } from "../shared/telling.js";

const LATE = 0.25; // seconds, of which it goes on at most between two pictures
const STEP = 1; // seconds of the walk in a single step
const PAUSE = 60; // milliseconds at least between two pictures of the server, which others ask as well
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export const WANDER = html`<button type="button" class="wander" aria-pressed="false" title="Walk through random faces: any key or tap stops">
  <svg viewBox="0 0 10 10" aria-hidden="true"><path class="go" d="M2 1v8l7-4z"/><path class="halt" d="M2 1h2.2v8H2zM5.8 1H8v8H5.8z"/></svg>
  Wander</button>`;

// element: that has or will have the button in it; shown(): {face, about} of the picture, null without one; steer(face):
// shows another face, and is kept when that has been drawn.
export function watchWandering(element, shown, steer) {
  let walking = null; // the walk under way

  function set(walk) {
    walking = walk;
    element.querySelector(".wander")?.setAttribute("aria-pressed", String(Boolean(walk)));
  }

  function begin() {
    const { face, about } = shown();
    const model = { z_dim: about.numbers, z_distribution: about.distribution };
    return wanderer(model, face.latent ? decodeLatent(face.latent) : latents(model, face.seed));
  }

  const go = (step, seconds) => steer({ ...shown().face, latent: encodeLatent(step(seconds)) });

  async function walk() {
    const step = begin();
    set(step);
    for (let last = await frame(), now = last; walking === step; last = now) {
      now = await frame();
      if (walking !== step) return;
      await go(step, Math.min((now - last) / 1000, LATE));
      if (!draws(shown().face.model)) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  const stop = () => walking && set(null);
  const isButton = (event) => event.target instanceof Element && event.target.closest(".wander");
  element.addEventListener("click", (event) => {
    if (!isButton(event) || !shown()) return;
    if (walking) stop();
    else if (STILL.matches) go(begin(), STEP);
    else walk();
  });
  document.addEventListener("pointerdown", (event) => isButton(event) || stop(), true);
  document.addEventListener(
    "keydown",
    (event) => (isButton(event) && [" ", "Enter"].includes(event.key)) || stop(),
    true,
  );
  STILL.addEventListener("change", stop);
  listen("face-problem", (sentence) => sentence && stop());
}

const frame = () => new Promise(requestAnimationFrame);
