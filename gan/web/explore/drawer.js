// Under the picture: which of two draws it, the visitor's browser or the server, as a switch.
import { want } from "../engine/choosing.js";
import { html } from "../shared/html.js";
import { listen } from "../shared/telling.js";

export const SWITCH = html`<p class="drawer" hidden><button type="button" role="switch" aria-checked="false">
  <i></i>Draw in this browser</button><span role="status"> </span></p>`;

// element: that has or will have the switch in it.
export function watchDrawer(element) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest(".drawer button");
    if (button) want(button.getAttribute("aria-checked") !== "true");
  });
  let state = {};
  const show = () => {
    const row = element.querySelector(".drawer");
    if (!row) return;
    row.hidden = !state.offered || state.absent;
    row.querySelector("button").setAttribute("aria-checked", String(state.wanted && !state.problem));
    row.querySelector("span").firstChild.data = sentence(state);
    row.title = state.problem;
  };
  listen("engine-changed", (changed) => {
    state = changed;
    show();
  });
  return show;
}

function sentence({ wanted, here, come, all, problem }) {
  if (problem) return "It could not: the server draws";
  if (!wanted) return "The server draws";
  if (here) return "Your browser draws";
  if (!all) return "The server draws";
  return come < all ? `${megabytes(come)} of ${megabytes(all)} MB have come` : "All has come, and is made ready";
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
