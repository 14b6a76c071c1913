// The card beside a choice of models: a small picture of what the chosen one draws, and a line of what it is.
import { ask } from "./asking.js";
import { follow } from "./following.js";
import { fill, html } from "./html.js";
import { listen } from "./telling.js";

let briefs = {}; // {line, picture} of each model, for all cards of the page
let asking = null;

// Of all models at once, and again only when one is named that was not there then.
async function look(server) {
  asking ??= ask(server, "models_brief", {});
  briefs = (await asking).briefs ?? briefs;
  asking = null;
}

// The value is the chosen model's name, "" for none; server: has `models_brief`.
export function mount({ element, server, ...component }) {
  const place = element.querySelector(".brief");
  let model = "";
  let isFirstFaceThere = false; // which nothing here may hold up
  const isKnown = () => Object.hasOwn(briefs, model);

  function show() {
    const { line = "", picture = "" } = isKnown() ? briefs[model] : {};
    fill(place, line && html`${picture && html`<img src="${picture}" alt="">`}<p>${line}</p>`);
  }

  async function change() {
    show();
    if (!model || isKnown() || !isFirstFaceThere) return;
    await look(server);
    show();
  }

  follow(component, (name) => {
    model = name || "";
    change();
  });
  listen("stage-filled", () => {
    if (isFirstFaceThere) return;
    isFirstFaceThere = true;
    change();
  });
}
