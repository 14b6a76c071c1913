// The Models tab's viewer: what each model promised and what came out, in the order of their story; above it two of them
// on one seed. Texts are the folders', which may be anybody's: they go into the page as text.
import { ask } from "../shared/asking.js";
import { say } from "../shared/elements.js";
import { fill } from "../shared/html.js";
import { watchOpening } from "../shared/opening.js";
import { plainFace } from "../shared/state.js";
import { toExplore, toReplay } from "../shared/tabs.js";
import { listen } from "../shared/telling.js";
import { buildPair } from "./pair.js";
import { buildPages } from "./pages.js";
import { story } from "./row.js";

const NO_MODEL = "There is no model yet: train.py makes one, and it appears here.";

export function mount({ element, server }) {
  const root = element.querySelector(".models");
  const find = (selector) => root.querySelector(selector);
  let shown = ""; // the rows, as JSON
  let own = []; // the visitor's own directions, which go along
  const explore = (model) => toExplore(JSON.stringify({ ...plainFace(model, pair.seed), own }));
  const pair = buildPair(find(".pair"), server, explore);
  buildPages(root, (name, page) => ask(server, "models_page", { name, page }));

  async function open() {
    const { models, problem } = await ask(server, "models_list", {});
    if (!models) return say(find(".message"), problem);
    say(find(".message"), models.length ? "" : NO_MODEL);
    const rows = JSON.stringify(models);
    if (rows !== shown) fill(find(".story"), story(models));
    shown = rows;
    pair.offer(models);
  }

  root.addEventListener("click", ({ target }) => {
    const { explore: model, replay } = target.closest("button")?.dataset ?? {};
    if (model) explore(model);
    if (replay) toReplay(replay);
  });
  listen("face-moved", (face) => {
    own = JSON.parse(face).own;
  });
  watchOpening(element, open);
}
