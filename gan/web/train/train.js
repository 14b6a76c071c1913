// The Train tab's viewer: begins trainings, shows all that there are as the server finds them, and draws the one that is
// watched as the Replay tab does. What state a training is in is the server's to say; nothing of it is kept here.
import { ask } from "../shared/asking.js";
import { say } from "../shared/elements.js";
import { watchOpening } from "../shared/opening.js";
import { remember, remembered } from "../shared/remembering.js";
import { buildRuns } from "../replay/runs.js";
import { buildSheets } from "../replay/sheets.js";
import { buildTimeline } from "../replay/timeline.js";
import { buildForm } from "./form.js";
import { isAtWork, showTrainings } from "./list.js";
import { fetchZip } from "./zip.js";

const LIVE_SECONDS = 1.5;
const IDLE_SECONDS = 8; // another window may begin one

export function mount({ element, server }) {
  const root = element.querySelector(".train");
  const find = (selector) => root.querySelector(selector);
  const question = (name, asked = {}) => ask(server, name, asked);
  let there = []; // trainings, the newest first
  let watched = remembered("train") ?? "";
  let isOpen = false;
  let timer = 0;
  let looking = 0; // counts questions, so that an older answer does not take the place of a newer one

  const form = buildForm(find(".begin"), {
    question,
    async begin(asked) {
      const answer = await act("train_begin", asked);
      if (answer.name) watch(answer.name);
      return answer;
    },
  });
  const runs = buildRuns({
    ask: question,
    moment: () => timeline.moment,
    changed: arrange,
    arrived: () => sheets.render(),
    busy: (isBusy) => root.setAttribute("aria-busy", isBusy),
  });
  const timeline = buildTimeline(root, runs, { moved: render, escaped: () => sheets.keep(null) });
  const sheets = buildSheets(root, runs, () => timeline.moment);

  function arrange() {
    timeline.arrange();
    render();
  }

  function render() {
    sheets.render();
    timeline.render();
  }

  function watch(name) {
    watched = name;
    remember("train", name);
    show();
  }

  // Everything but the stage, and the stage where there is a run to draw.
  function show() {
    if (!there.some((training) => training.name === watched)) watched = there[0]?.name ?? "";
    find(".trainings").hidden = !there.length;
    showTrainings(find(".trainings ol"), there, watched, { watch, act: actOn });
    const run = there.find((training) => training.name === watched)?.run ?? "";
    find(".watched").hidden = !run;
    if (run !== runs.slots[0].name) {
      runs.choose([run, ""]);
      timeline.pause();
      timeline.toEnd();
      sheets.keep(null);
      arrange();
    }
    if (run) runs.refresh();
  }

  function receive(answer) {
    if (!answer.trainings) return say(find(".message"), answer.problem ?? "");
    say(find(".message"), "");
    there = answer.trainings;
    const [used, most] = [answer.used, answer.most].map((bytes) => (bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1));
    find(".disk").textContent = `${used} of ${most} GB on the disk. When it is full, the oldest that are neither kept
      nor finished make room first.`;
    show();
  }

  async function act(name, asked) {
    const number = ++looking;
    const answer = await question(name, asked);
    if (number === looking || !answer.trainings) receive(answer);
    plan();
    return answer;
  }

  async function actOn(training, what) {
    if (what === "zip") return say(find(".message"), await fetchZip(question, training.name));
    await act("train_act", { name: training.name, act: what, minutes: form.minutes });
  }

  // The next look.
  function plan() {
    clearTimeout(timer);
    if (!isOpen) return;
    const seconds = there.some(isAtWork) ? LIVE_SECONDS : IDLE_SECONDS;
    timer = setTimeout(() => (document.hidden ? plan() : act("train_look", {})), 1000 * seconds);
  }

  async function open() {
    isOpen = true;
    const answer = await act("train_open", {});
    if (answer.presets) form.offer(answer);
  }

  new ResizeObserver(() => find(".lanes").clientWidth && arrange()).observe(find(".lanes"));
  document.addEventListener("visibilitychange", () => document.hidden || !isOpen || act("train_look", {}));
  watchOpening(element, open, () => {
    isOpen = false;
    clearTimeout(timer);
    timeline.pause();
  });
}
