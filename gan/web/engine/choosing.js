// Who draws: the visitor's own browser where it can and is wanted, else the page's server. Whoever draws asks here:
//   drawn("faces64", (engine) => engine.draw(face, smooth), () => server.draw(face, smooth))
// The page is told "engine-changed" {offered, absent, wanted, here, come, all, problem}: whether there is a choice;
// whether there is none for the model that is shown, whose files the server does not have; what the visitor chose;
// whether the browser draws that model; bytes of what is fetched for it; why it cannot.
import { tell } from "../shared/telling.js";
import { localEngine, NotHere } from "./local.js";

const KEY = "gan-faces engine"; // of what is remembered: "server" or "browser"
const state = { offered: false, absent: false, wanted: true, here: false, come: 0, all: 0, problem: "" };
const ready = new Set(); // models that the browser draws as it should
const loading = new Map(); // model -> promise
let local = null; // the engine
let check = null;
let shown = ""; // the model
let again; // when a model that is not there yet is asked for again

function change(changes) {
  Object.assign(state, changes, { here: ready.has(shown) && (changes.wanted ?? state.wanted) });
  tell("engine-changed", { ...state });
}

// Once, when the page begins.
// base: where local.js finds all it needs; "" where the browser is not to draw.
// checks(model, engine): promise of whether the browser draws as the server does; without it there is no server.
export function offer(base, checks = null) {
  check = checks;
  local = base ? localEngine(new URL(base, document.baseURI)) : null;
  change({ offered: Boolean(base && check), wanted: !check || chosen() });
}

// What the visitor wants.
export function want(browser) {
  try {
    localStorage.setItem(KEY, browser ? "browser" : "server");
  } catch (error) {
    console.warn("This choice will not be remembered:", error); // no room, or not allowed here
  }
  change({ wanted: browser, problem: "" });
  if (browser) prepare(shown);
}

// A model is shown: it is fetched, if it is not here, and drawn by the browser from then on.
export function prepare(model) {
  clearTimeout(again);
  if (shown !== model) {
    shown = model;
    change({ absent: false, come: 0, all: 0 });
  }
  if (!local || !state.wanted || state.problem || ready.has(model)) return;
  load(model).catch((error) => {
    if (!(error instanceof NotHere)) return lose(model, error);
    if (error.again) again = setTimeout(() => shown === model && prepare(model), 1000 * error.again);
    else if (shown === model) change({ absent: true });
  });
}

// A model that another tab shows, or will: it is fetched as well, without news of it.
export function foresee(model) {
  if (!local || !state.wanted || state.problem || ready.has(model)) return;
  load(model).catch((error) => error instanceof NotHere || lose(model, error));
}

// Whether the browser draws a model now; without a server it always does, once it has come.
export const draws = (model) => Boolean(local) && (!check || (state.wanted && ready.has(model)));

// What `work` makes in the browser; what `ask` gets from the server where the browser does not draw (yet), or fails in
// the midst of it. Without a server the model is waited for, and what fails is given to `ask`.
export async function drawn(model, work, ask) {
  if (!draws(model)) return ask();
  try {
    if (!ready.has(model)) await load(model);
    return await work(local);
  } catch (error) {
    if (check) lose(model, error);
    return ask(error);
  }
}

function load(model) {
  if (ready.has(model)) return Promise.resolve();
  if (!loading.has(model))
    loading.set(
      model,
      loaded(model).finally(() => loading.delete(model)),
    );
  return loading.get(model);
}

async function loaded(model) {
  await local.open(model, ({ come, all }) => model === shown && change({ come, all }));
  if (check && !(await check(model, local))) throw new Error("it draws other pictures than the server");
  ready.add(model);
  change({});
}

// The server goes on for all models, until the visitor wants the browser to try again.
function lose(model, error) {
  console.warn(`The browser does not draw ${model}:`, error);
  local.end();
  ready.clear();
  change({ problem: error.message });
}

// What was wanted last time; nothing is fetched for visitors who pay for each megabyte, until they want it.
function chosen() {
  try {
    const last = localStorage.getItem(KEY);
    if (last) return last === "browser";
  } catch (error) {
    console.warn("Nothing can be remembered here:", error);
  }
  return !navigator.connection?.saveData;
}
