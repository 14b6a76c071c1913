// A direction of the visitor's own: faces of the grid are marked + or −, and get a name.
const YOURS = "#basis input[value=Yours]";
const MOST = 32;  // faces with each mark
const before = remembered("marks");
let marks = new Map(before?.marks);  // seed -> { sign, picture }
let reopening = Boolean(before);
let model = before?.model ?? null, made = before?.made ?? 0;

const form = () => element.querySelector("form");
const say = (text) => (element.querySelector(".told").textContent = text);
const seeds = (sign) => [...marks].filter(([, face]) => face.sign === sign).map(([seed]) => Number(seed));

function show() {
  for (const row of element.querySelectorAll(".marked")) {
    row.querySelectorAll("button").forEach((button) => button.remove());
    for (const [seed, face] of marks) {
      if (face.sign !== row.dataset.of) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.unmark = seed;
      button.setAttribute("aria-label", `Seed ${seed}: take the mark away`);
      const picture = new Image();
      picture.src = face.picture;
      picture.alt = "";
      button.append(picture);
      row.append(button);
    }
  }
  document.dispatchEvent(new CustomEvent("marks-changed", { detail: marks }));
  remember("marks", { model: model, made: made, marks: [...marks] });
}

document.addEventListener("face-mark", ({ detail: { seed, sign, picture } }) => {
  if (marks.get(seed)?.sign === sign) marks.delete(seed);
  else if (seeds(sign).length >= MOST) return say(`${MOST} faces with one mark are the most.`);
  else marks.set(seed, { sign, picture });
  say("");
  show();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.remove) trigger("remove", { name: button.dataset.remove });
  if (!button?.dataset.unmark) return;
  marks.delete(button.dataset.unmark);
  show();
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = form().elements.name.value.trim();
  const has = seeds("+"), lacks = seeds("−");
  if (!has.length || !lacks.length) return say("Mark at least one face with + and one with − in the grid below.");
  if (!name) return say("Give it a name: what do the faces with + have?");
  trigger("make", { name, has, lacks });
});
watch("value", () => {
  if (!form()) return;
  const finished = Number(form().dataset.made) > made;
  if (finished) form().reset();
  if (finished || form().dataset.model !== model) marks = new Map();  // on another model the same seeds are other faces
  model = form().dataset.model;
  made = Number(form().dataset.made);
  show();
  if (reopening && marks.size) setTimeout(() => document.querySelector(YOURS)?.click());  // after Gradio has put it there
  reopening = false;
});
