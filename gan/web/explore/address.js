// The page's address follows the face, and the browser's Back goes to the face before.
import { tell } from "../shared/telling.js";

const OURS = ["model", "seed", "truncation", "latent", "move", "z", "own", "pad"]; // of the address
const PLACE = ["model", "seed", "latent"]; // another one is another step for Back; moved sliders are none
const PAUSE = 400; // milliseconds: browsers allow only some 100 changes of the address in 30 seconds
let current = { query: "", face: null };
let timer;

export function keepAddress(query, face) {
  const isFirst = !current.face;
  current = { query, face };
  clearTimeout(timer);
  if (isFirst)
    write(); // or who is quick would have no face to go back to
  else timer = setTimeout(write, PAUSE);
}

function write() {
  const { query, face } = current;
  const now = new URLSearchParams(location.search);
  const next = new URLSearchParams(query);
  const isAnother = now.has("model") && PLACE.some((key) => now.get(key) !== next.get(key));
  const others = [...now].filter(([key]) => !OURS.includes(key));
  const rest = new URLSearchParams(others).toString();
  const address = `${location.pathname}?${query}${rest && `&${rest}`}${location.hash}`;
  const state = { ...history.state, face: JSON.stringify(face) };
  if (isAnother) history.pushState(state, "", address);
  else history.replaceState(state, "", address);
}

window.addEventListener("popstate", ({ state }) => {
  clearTimeout(timer);
  const { query, face } = current;
  if (!state?.face || !face) return;
  const before = JSON.parse(state.face);
  if (PLACE.some((key) => before[key] !== face[key])) tell("face-wanted", state.face);
  else keepAddress(query, face); // another tab; what was moved since stays
});
