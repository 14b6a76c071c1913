// The Replay tab's viewer. Sheets and numbers come from the server once; scrubbing and playing ask it nothing.
// Text from a run goes into the page as text, never as HTML.
import { drawn, draws } from "../engine/choosing.js";
import { ask } from "../shared/asking.js";
import { follow } from "../shared/following.js";
import { watchOpening } from "../shared/opening.js";
import { remember, remembered } from "../shared/remembering.js";
import { listen } from "../shared/telling.js";
import { entitled } from "../shared/words.js";
import { walk } from "../shared/walking.js";
import { inWords, stripOf } from "./answers.js";
import { buildDownloads } from "./downloads.js";
import { together } from "./histories.js";
import { buildRuns, titleOf } from "./runs.js";
import { buildSheets, copyFace } from "./sheets.js";
import { momentsOf, sourceOf, wordsOf } from "./source.js";
import { buildStrip } from "./strip.js";
import { buildTimeline } from "./timeline.js";

const LIVE_SECONDS = 4;
const NOT_DRAWN = "The server did not draw this: try again in a moment.";
const NO_RUN = "There is no run yet: train.py makes one, and it appears here while it trains.";

export function mount({ element, trigger, props, server, watch }) {
  const root = element.querySelector(".replay");
  const find = (selector) => root.querySelector(selector);
  let before = remembered("replay"); // what was here before a reload
  const runs = buildRuns({
    ask: (name, asked) => ask(server, name, asked),
    moment: () => timeline.moment,
    changed: arrange,
    arrived,
    busy: (isBusy) => root.setAttribute("aria-busy", isBusy),
  });
  const [first, second] = runs.slots;
  const timeline = buildTimeline(root, runs, { moved: render, escaped: () => sheets.keep(null) });
  const sheets = buildSheets(root, runs, () => timeline.moment, kept);
  let face = ""; // Explore's, as JSON
  let latent = { model: "", of: "" }; // what its model draws from
  let awaited = ""; // of the strip: "row", its "last" picture, or nothing: what comes late may no longer be wanted
  const strip = buildStrip(root, { ask: askStrip, go: timeline.goTo, moment: () => timeline.moment });
  const downloads = buildDownloads(root, async (kind) => {
    const names = runs.slots.map((slot) => slot.name).filter(Boolean);
    const of = (...names) => ask(server, "replay_download", { runs: names, kind, logarithmic: timeline.logarithmic });
    return kind === "csv" ? together(names, await Promise.all(names.map((name) => of(name)))) : of(...names);
  });

  // ---- showing ------------------------------------------------------------------------------------------------------

  // After new data or another size.
  function arrange() {
    const active = runs.active();
    find(".stage").classList.toggle("two", Boolean(second.name));
    sheets.figures[1].hidden = !second.name;
    const problems = active.filter((slot) => slot.data.problem).map((slot) => `${titleOf(slot)}: ${slot.data.problem}`);
    say(runs.failed || first.name ? [runs.failed, ...problems].join(" ").trim() : NO_RUN);
    find(".live").hidden = !active.some((slot) => slot.data.training);
    offerStrip();
    const isEmpty = !active.some((slot) => slot.data.images_seen);
    downloads.arrange(active, isEmpty);
    timeline.arrange();
    render();
  }

  function say(sentence) {
    find(".message").textContent = sentence;
    find(".message").hidden = !sentence;
  }

  // After the moment has changed.
  function render() {
    if (!timeline.playing) keepForReload();
    sheets.render();
    timeline.render();
    strip.mark();
  }

  function keepForReload() {
    const { moment, atEnd } = timeline;
    if (!first.data || before) return;
    const held = { moment, atEnd, stripWanted: strip.wanted, kept: sheets.kept };
    remember("replay", { run: first.name, second: second.name, ...held });
  }

  // Sheets have come.
  function arrived() {
    sheets.render();
    offerStrip(); // a damaged one shows nothing
    strip.renew();
  }

  // Another face is kept in the sheets, or none.
  function kept() {
    keepForReload();
    offerStrip();
  }

  const called = (name) => (name === first.name ? titleOf(first) : entitled(name));

  // ---- the face through the epochs ----------------------------------------------------------------------------------

  const wholeSheets = () => first.data.sheets.filter((sheet) => runs.pictureOf(first, sheet) !== null);

  // What the strip is made of, and how this is told.
  function stripSource() {
    const { data, name } = first;
    const explored = face ? JSON.parse(face) : null;
    const kind = data.kind === "digits" ? "digit" : "face";
    const source = sourceOf({
      face: explored,
      latent: explored?.model === latent.model ? latent.of : "",
      run: { name, latent: data.latent, snapshots: data.snapshots, sheets: wholeSheets() },
      kept: sheets.kept?.seed ?? null,
    });
    return {
      ...source,
      explored,
      kind,
      words: wordsOf(source, { face: explored, kind, title: called, isTraining: data.training }),
    };
  }

  function offerStrip() {
    if (!first.data) {
      const sentence = runs.failed || (first.name ? "The run is on its way." : NO_RUN);
      return strip.offer({ kind: "face", label: "", sentence });
    }
    const { kind, words } = stripSource();
    strip.offer({ kind, label: words.label, sentence: words.before });
  }

  function askStrip() {
    keepForReload();
    const { from, seed, why, explored, words } = first.data ? stripSource() : { from: "generators" };
    awaited = from === "generators" ? "row" : why === "moved" ? "last" : "";
    if (awaited === "row") return drawStrip();
    if (!from) return strip.clear();
    const about = why ? words.after : inWords(explored, first.name, called);
    strip.show(about, () => {
      const moments = momentsOf(wholeSheets());
      const paint = (canvas, at) => {
        const sheet = runs.pictureOf(first, moments[at]);
        if (sheet) copyFace(canvas, sheet, seed);
      };
      return { images: moments.map(([, images]) => images), paint };
    });
    if (awaited) drawStrip();
  }

  // Explore's face by every snapshot and the weights, or its last picture only, as it is awaited: the browser draws it
  // where it has them all.
  async function drawStrip() {
    const run = first.name;
    const last = awaited === "last";
    const here = face && [run, JSON.parse(face).model].every(draws);
    const work = async (engine) => {
      const { snapshots } = await engine.open(run);
      const isWhole = last || snapshots.files.length === first.data.snapshots;
      const end = first.data.sheets.at(-1)?.[1] ?? first.data.images_seen;
      return isWhole ? stripOf(engine, { face, run, last, end }, strip.tell, called) : null;
    };
    const answer = here ? await drawn(run, work, () => null) : null;
    if (answer) receive({ strip: answer });
    else trigger("face", { run, last });
  }

  // ---- what is shown ------------------------------------------------------------------------------------------------

  async function choose(names) {
    if (names.join() === runs.slots.map((slot) => slot.name).join()) return;
    const isOther = runs.choose(names);
    if (isOther) {
      timeline.pause();
      timeline.toEnd();
      sheets.keep(null);
      strip.clear();
    }
    arrange();
    await refresh();
    if (before && first.data) {
      timeline.restore(before);
      strip.restore(before);
      sheets.keep(before.kept);
      before = null;
      arrange();
    }
    if (isOther && strip.wanted) strip.draw();
  }

  async function refresh() {
    await runs.refresh();
    find(".live-text").textContent = `in training, looked at ${new Date().toLocaleTimeString()}`;
  }

  function receive(value) {
    if (value.failed) (awaited === "last" ? strip.say : strip.clear)(NOT_DRAWN);
    else if (!("strip" in value)) choose([value.run || "", value.second || ""]).then(() => first.name || arrange());
    else showDrawn(value.strip);
  }

  function showDrawn(answer) {
    if (answer.run !== first.name || awaited !== (answer.last ? "last" : "row")) return;
    if (answer.last) strip.showLast(answer);
    else strip.showRow(answer);
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  let wanted = null; // the run that another tab wishes to be shown next
  function open() {
    if (wanted) before = null;
    const { run = first.name, second: other = second.name } = wanted ?? before ?? {};
    wanted = null;
    trigger("opened", { run, second: other });
  }
  listen("run-wanted", (run) => {
    wanted = { run, second: "" };
  });
  listen("face-moved", (state) => {
    face = state;
    offerStrip();
  });
  listen("face-shown", ({ model, about }) => {
    latent = { model, of: about ? `${about.numbers} ${about.distribution}` : "" };
    offerStrip();
  });
  follow({ props, watch }, (value) => receive(value || {}));
  find(".refresh").addEventListener("click", () => {
    open();
    refresh();
  });
  new ResizeObserver(() => find(".lanes").clientWidth && first.name && arrange()).observe(find(".lanes"));
  walk(root, ".axis .group, .events ol, .tiles, .files");
  watchOpening(
    element,
    () => {
      open();
      if (first.name) refresh();
      if (strip.wanted) strip.draw(); // Explore may show another face by now
    },
    timeline.pause,
  );
  const ticking = setInterval(() => {
    if (!element.isConnected) return clearInterval(ticking);
    const isLive = runs.again || runs.active().some((slot) => slot.data.training);
    if (isLive && !document.hidden && element.offsetParent !== null) refresh();
  }, 1000 * LIVE_SECONDS);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    find(".dot").animate([{ opacity: 1 }, { opacity: 0.25 }, { opacity: 1 }], { duration: 1800, iterations: Infinity });
  }
}
