// The tab that was open is open again after a reload.
import { remember, remembered } from "./remembering.js";

const TABS = "#tabs [role=tab]";

export function mount() {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest(TABS);
    if (tab) remember("tab", tab.textContent.trim());
  });
  const wanted = remembered("tab");
  if (wanted) reopen(wanted);
}

function reopen(wanted) {
  const tab = [...document.querySelectorAll(TABS)].find((tab) => tab.textContent.trim() === wanted);
  // Until Gradio has put them there.
  if (!tab) requestAnimationFrame(() => reopen(wanted));
  else if (tab.getAttribute("aria-selected") !== "true") tab.click();
}
