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
import { stripOf } from "./answers.js";
import { buildDownloads } from "./downloads.js";
import { together } from "./histories.js";
import { buildRuns, titleOf } from "./runs.js";
import { buildSheets } from "./sheets.js";
import { buildStrip } from "./strip.js";
import { buildTimeline } from "./timeline.js";

const LIVE_SECONDS = 4;
const NO_RUN = "There is no run yet: train.py makes one, and it appears here while it trains.";

export function mount({ element, trigger, props, server, watch }) {
  const root = element.querySelector(".replay");
  const find = (selector) => root.querySelector(selector);
  let before = remembered("replay"); // what was here before a reload
  const runs = buildRuns({
    ask: (name, asked) => ask(server, name, asked),
    moment: () => timeline.moment,
    changed: arrange,
    arrived: () => sheets.render(),
    busy: (isBusy) => root.setAttribute("aria-busy", isBusy),
  });
  const [first, second] = runs.slots;
  const timeline = buildTimeline(root, runs, { moved: render, escaped: () => sheets.keep(null) });
  const sheets = buildSheets(root, runs, () => timeline.moment);
  let face = ""; // Explore's, as JSON
  const strip = buildStrip(root, { ask: askStrip, go: timeline.goTo });
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
    strip.allow(first.data && !first.data.snapshots ? titleOf(first) : "", Boolean(first.data?.snapshots));
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
    strip.mark(timeline.moment);
  }

  function keepForReload() {
    const { moment, atEnd } = timeline;
    if (!first.data || before) return;
    remember("replay", { run: first.name, second: second.name, moment, atEnd, stripWanted: strip.wanted });
  }

  const called = (name) => (name === first.name ? titleOf(first) : entitled(name));

  // Explore's face by every snapshot: the browser draws it where it has them all.
  async function askStrip() {
    keepForReload();
    const run = first.name;
    const here = face && [run, JSON.parse(face).model].every(draws);
    const work = async (engine) => {
      const { snapshots } = await engine.open(run);
      const isWhole = snapshots.files.length === first.data.snapshots;
      return isWhole ? stripOf(engine, { face, run }, strip.tell, called) : null;
    };
    const answer = here ? await drawn(run, work, () => null) : null;
    if (answer) receive({ strip: answer });
    else trigger("face", { run });
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
    if (value.failed) strip.clear("The server did not draw this: try again in a moment.");
    else if (!("strip" in value)) choose([value.run || "", value.second || ""]).then(() => first.name || arrange());
    else if (value.strip.run === first.name) strip.show(value.strip, () => timeline.moment);
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
