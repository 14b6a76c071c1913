// The trainings, one row each: what it is, how far it is, and what can be done with it.
import { make } from "../shared/elements.js";
import { count, duration } from "../replay/scale.js";

const WORDS = {
  waiting: "waits for its turn",
  starting: "starting",
  running: "training",
  finishing: "finishing: sliders and card",
  stopping: "stopping",
  stopped: "stopped",
  finished: "finished",
  died: "died",
};

export const isAtWork = ({ state }) => ["waiting", "starting", "running", "finishing", "stopping"].includes(state);

// on: {watch: is given a name, act: is given a training and what to do}.
// Rows stay the elements that they are, so that a button keeps its focus while numbers change.
export function showTrainings(list, trainings, watched, on) {
  const rows = new Map([...list.children].map((row) => [row.dataset.name, row]));
  const wanted = trainings.map((training) => {
    const row = rows.get(training.name) ?? newRow(training.name, on);
    show(row, training, training.name === watched, on);
    return row;
  });
  if (wanted.some((row, i) => list.children[i] !== row) || wanted.length !== list.children.length)
    list.replaceChildren(...wanted);
}

function newRow(name, on) {
  const row = make("li");
  row.dataset.name = name;
  const who = row.appendChild(make("button", "who"));
  who.append(make("b", "", name), make("span", "state"));
  who.addEventListener("click", () => on.watch(name));
  row.append(make("div", "buttons"), make("progress"), make("p", "facts"), make("pre"));
  return row;
}

function show(row, training, isWatched, on) {
  const find = (selector) => row.querySelector(selector);
  row.dataset.state = training.state;
  row.setAttribute("aria-current", isWatched);
  const place = training.state === "waiting" ? `, ${training.place}. in the line` : "";
  write(find(".state"), WORDS[training.state] + place);
  write(find(".facts"), facts(training));
  const progress = find("progress");
  progress.hidden = !training.total || training.state === "finished";
  progress.max = training.total || 1;
  progress.value = training.seen || 0;
  progress.setAttribute("aria-label", `How far ${training.name} is`);
  find("pre").hidden = !training.log;
  write(find("pre"), training.log ?? "");
  const offered = actions(training);
  const key = JSON.stringify(offered);
  const buttons = find(".buttons");
  if (buttons.dataset.key === key) return;
  buttons.dataset.key = key;
  buttons.replaceChildren(...offered.map(([what, words]) => action(training, what, words, on)));
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function facts({ about, why, seen, total, rate, left, kept, detached }) {
  const parts = [about];
  if (total) parts.push(`${count(seen)} of ${count(total)} images`);
  if (rate) parts.push(`${count(rate)} a second`);
  if (left !== undefined && left !== null) parts.push(`${duration(left)} left`);
  if (kept) parts.push("kept");
  if (detached) parts.push("goes on without the page");
  return parts.join(" · ") + (why ? `. ${why}` : "");
}

function actions({ state, late, run, resumes, kept, total }) {
  const found = [];
  if (isAtWork({ state }) && state !== "stopping") found.push(["stop", "Stop"]);
  if (state === "stopping" && late) found.push(["force", "Force stop"]);
  if (["stopped", "died"].includes(state)) found.push(["continue", resumes ? "Continue" : "Begin anew"]);
  if (state === "finished") found.push(["continue", "Go on as long again"]);
  if (run) found.push(["explore", "Explore"]);
  if (isAtWork({ state })) return found;
  if (total) found.push(["zip", "Zip"]);
  return [...found, kept ? ["let_go", "Kept"] : ["keep", "Keep"], ["remove", "Remove"]];
}

function action(training, what, words, on) {
  if (what === "explore") {
    const link = make("a", "", words);
    link.href = `?${new URLSearchParams({ model: training.run })}`;
    return link;
  }
  const button = make("button", "", words);
  button.dataset.act = what;
  if (what === "let_go") button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", async () => {
    if (what === "remove" && !confirm(`Delete ${training.name}, its pictures and weights?`)) return;
    button.disabled = true;
    await on.act(training, what);
    button.disabled = false;
  });
  return button;
}
