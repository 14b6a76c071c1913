// The tabs of the page: the one that was open is open again after a reload, and by the browser's Back.
import { remember, remembered } from "./remembering.js";
import { tell } from "./telling.js";

const TABS = "#tabs [role=tab]";
const FIRST = "Explore";

export function mount() {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest(TABS);
    if (!tab) return;
    const name = tab.textContent.trim();
    remember("tab", name);
    if (name !== (history.state?.tab ?? FIRST)) history.pushState({ ...history.state, tab: name }, "");
  });
  window.addEventListener("popstate", ({ state }) => reopen(state?.tab ?? FIRST));
  const wanted = remembered("tab");
  if (wanted) reopen(wanted);
}

const find = (name) => [...document.querySelectorAll(TABS)].find((tab) => tab.textContent.trim() === name);

function reopen(wanted) {
  const tab = find(wanted);
  // Until Gradio has put them there.
  if (!tab) requestAnimationFrame(() => reopen(wanted));
  else if (tab.getAttribute("aria-selected") !== "true") tab.click();
}

// Goes on with a face, a state as JSON, in Explore.
export function toExplore(face) {
  tell("face-wanted", face);
  go(FIRST);
}

// Shows in Replay how a model learned.
export function toReplay(run) {
  tell("run-wanted", run);
  go("Replay");
}

function go(name) {
  find(name).click();
  window.scrollTo(0, 0);
}
