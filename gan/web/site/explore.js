// Explore in the static edition: its modules and controls, wired as gan/ui/explore.py does it for Gradio.
import { buildAnswers } from "./answers.js";
import { isSmooth, keyOf } from "../explore/controls.js";
import * as grid from "../explore/grid.js";
import * as maker from "../explore/maker.js";
import * as moved from "../explore/moved.js";
import * as pad from "../explore/pad.js";
import * as seen from "../explore/seen.js";
import * as stage from "../explore/stage.js";
import * as tools from "../explore/tools.js";
import { MAX_SEED } from "../shared/reading.js";
import { given } from "../shared/state.js";
import { listen } from "../shared/telling.js";
import { cardBeside } from "./cards.js";
import { component } from "./component.js";
import { dropdown, radio, slider } from "./controls.js";
import { marksOf, named } from "./named.js";

const OF_STAGE = ["face", "picture", "score", "later", "milliseconds", "about", "note", "notice", "title", "marks"];
const find = (id) => document.getElementById(id);

// models: their names.
export function mountExplore(models) {
  const answers = buildAnswers(models);
  let face = ""; // as JSON; "" while there is none
  listen("face-moved", (state) => {
    face = state;
  });

  const chosen = (name) => change("choose", { model: name });
  const model = dropdown(find("model"), "Model", chosen, cardBeside("model"));
  const seed = slider(find("seed"), {
    label: "Seed",
    info: "Another face for each",
    min: 0,
    max: MAX_SEED,
    step: 1,
    value: 0,
  });
  const truncation = slider(find("truncation"), {
    label: "Truncation",
    info: "From typical to strange",
    min: 0,
    max: 1.5,
    step: 0.01,
    value: 1,
    back: 1,
  });
  const basis = radio(find("basis"), "Kind of sliders", (chosen) => turnSliders({ basis: chosen }));
  const span = radio(find("span"), "Page of sliders", (page) => turnSliders({ basis: basis.value, page }));
  const moves = [...find("sliders").querySelectorAll(".offset")].map((element) => ({
    element,
    slider: slider(element, { label: "z", min: -3, max: 3, step: 0.05, value: 0 }),
  }));

  const parts = {
    stage: component(find("stage"), { on: { restore: (sent) => change("restore", sent), put } }),
    seen: component(find("seen")),
    tools: component(find("tools"), { server: { download: answers.download } }),
    moved: component(find("moved"), { on: { reveal: (sent) => turnSliders(sent) } }),
    maker: component(find("maker"), {
      on: { make: (sent) => change("make", sent), remove: (sent) => change("remove", sent) },
    }),
    // Where the browser does not draw them, nobody does.
    grid: component(find("grid"), { server: { grid: () => ({}) } }),
    pad: component(find("pad"), { server: { pad: () => ({}) } }),
  };

  const look = () => ({ face, basis: basis.value, page: span.value, pixels: !isSmooth() });

  // One answer at a time, and of what is asked meanwhile only the last.
  let next = null;
  let asking = false;
  async function change(name, sent = {}) {
    next = { name, sent };
    if (asking) return;
    asking = true;
    while (next) {
      const asked = next;
      next = null;
      show(await answers[asked.name]({ ...look(), ...asked.sent }));
    }
    asking = false;
  }

  function show(shown) {
    if (shown.models) model.set(named(shown.models), shown.model);
    if (!shown.notice) {
      seed.set(shown.seed);
      truncation.set(shown.truncation);
      showSliders(shown);
      parts.maker.set(shown.own);
    }
    if (shown.model) Object.assign(shown, { title: named([shown.model])[0].label, marks: marksOf(shown.model) });
    const known = OF_STAGE.filter((name) => name in shown).map((name) => [name, shown[name]]);
    parts.stage.set(Object.fromEntries(known));
  }

  function showSliders({ bases, basis: kind, pages, page, sliders }) {
    basis.set(bases, kind);
    span.set(pages, page);
    find("span").hidden = pages.length < 2;
    moves.forEach(({ element, slider: move }, at) => {
      element.hidden = at >= sliders.length;
      if (element.hidden) return;
      element.id = `slider-${encodeURIComponent(sliders[at].key)}`;
      move.set(sliders[at].value, { label: sliders[at].label });
    });
  }

  // The controls follow the face, whose model and own directions are the same.
  function put() {
    const shown = JSON.parse(face);
    seed.set(shown.seed);
    truncation.set(shown.truncation);
    for (const { element, slider: move } of moves)
      if (!element.hidden) move.set(given(shown, keyOf(element.querySelector("input"))));
  }

  const turnSliders = async (wanted) => showSliders(await answers.sliders({ face, ...wanted }));

  stage.mount(parts.stage.mounted);
  seen.mount(parts.seen.mounted);
  tools.mount(parts.tools.mounted);
  moved.mount(parts.moved.mounted);
  maker.mount(parts.maker.mounted);
  grid.mount(parts.grid.mounted);
  pad.mount(parts.pad.mounted);

  async function open() {
    const query = Object.fromEntries(new URLSearchParams(location.search));
    show(await answers.open({ query, pixels: !isSmooth() }));
  }
  return open();
}
