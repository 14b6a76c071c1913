// What this browser keeps, so that the page works without a network: said when it is so, and not before.
import { listen } from "../shared/telling.js";

const NOT = "This browser keeps nothing for this page: it needs a network each time.";

export async function keepOffline() {
  const said = document.getElementById("offline");
  const button = document.getElementById("keep");
  let worker;
  try {
    await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
    worker = (await navigator.serviceWorker.ready).active;
  } catch (error) {
    console.warn("Nothing is kept:", error); // not over HTTP, or not in a frame of another host
    said.textContent = NOT;
    return;
  }
  const tell = (wish) => (navigator.serviceWorker.controller ?? worker).postMessage(wish);
  navigator.serviceWorker.addEventListener("message", ({ data: { models, kept, all, problem } }) => {
    const names = models.length ? ` and ${models.join(", ")}` : "";
    const isAll = kept === all;
    if (problem) said.textContent = `Not all could be kept in this browser: ${problem}`;
    else if (isAll) said.textContent = "All of it is kept in this browser, and works without a network.";
    else said.textContent = `Kept in this browser, and there without a network: this page${names}.`;
    button.hidden = isAll;
    button.disabled = false;
    button.textContent = `Keep all of it, ${Math.ceil((all - kept) / 1e6)} MB more`;
  });
  button.addEventListener("click", () => {
    button.disabled = true;
    button.textContent = "Fetching…";
    tell({ keep: "" });
  });
  let last = "";
  listen("face-shown", ({ query }) => {
    const model = new URLSearchParams(query).get("model");
    if (!model || last === model) return;
    last = model;
    tell({ keep: `models/${model}/`, drawing: true });
  });
}
