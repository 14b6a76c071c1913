// The Photo tab's second half: the square goes to the server, which tells how far it came, a few times a second.

const CLOSENESS = [[14, "far from it"], [17, "a rough likeness"], [20, "alike"], [24, "close"], [28, "very close"], [Infinity, "nearly the same"]]; // below so many dB
const FACE_HINT = "Drag and zoom until eyes, mouth and outline lie on the dashed lines: the model knows faces in this place only.";
const OTHER_HINT = "Drag and zoom until it fills the square as the pictures do that this model draws.";

let about = { model: "" }; // the model: its name, size, and whether it draws faces
let searching = 0; // number of the search that is told of, 0 for none
let last = null; // what was told last
let chosen = false; // whether the visitor chose the model here; until then it is Explore's
let before = remembered("search"); // what was here before a reload

function start() {
  searching = Date.now();
  last = null;
  tell("");
  for (const picture of all(".target, .found")) picture.hidden = true;
  find(".descent").hidden = true;
  find(".facts").textContent = "Sent…";
  expectNews();
  show();
  trigger("find", { asked: { model: about.model, content: cropped() }, number: searching });
}

// For a reload of the page.
function rememberSearch() {
  if (about.model) remember("search", { model: about.model, chosen: chosen, crop: crop, last: last, searching: searching > 0 });
}

// The photo and what was found, or looked for, before the page was reloaded.
async function restore() {
  const { crop, last: found, searching, model } = before, picture = remembered("photo");
  before = null;
  if (!picture) return;
  try {
    const opened = drawn(await load(picture));
    if (photo) return; // another was chosen meanwhile
    put(opened);
  } catch (error) {
    return console.warn("The photo did not outlast the reload:", error);
  }
  remember("photo", picture);
  setCrop(crop);
  if (model !== about.model) return;
  if (searching) start();
  else if (found) {
    showFound(found);
    say();
  }
}

// Nothing is waited for in silence: the search may have died with its connection open.
let news;
function expectNews() {
  clearTimeout(news);
  if (searching) news = setTimeout(() => (find(".facts").textContent = "Nothing has come from the server for half a minute: Stop, and try again."), 30000);
}

function stop() {
  trigger("give_up");
  searching = 0;
  show();
  say();
}

// Another photo or model: what was found belongs to the one before.
function reset() {
  if (searching) trigger("give_up");
  searching = 0;
  last = null;
  for (const picture of all(".target, .found")) picture.hidden = true;
  find(".descent").hidden = true;
  find(".facts").textContent = "";
  show();
}

function show() {
  if (!searching) clearTimeout(news);
  rememberSearch();
  find(".go").disabled = !about.model || searching > 0;
  find(".go").textContent = last && !searching ? "Find it again" : "Find this face";
  find(".stop").hidden = !searching;
  find(".take").hidden = !last || searching > 0;
  find(".step").textContent = last ? "step " + last.step + " of " + last.steps : "";
  find(".size").textContent = about.size ? about.size + " × " + about.size + " pixels" : "";
  find(".guide").style.display = about.faces ? "" : "none";
  find(".hint").textContent = about.faces ? FACE_HINT : OTHER_HINT;
}

function receiveSearch(told) {
  if (told.number !== searching) return; // of one that was given up
  expectNews();
  if (told.problem) {
    searching = 0;
    find(".facts").textContent = "";
    tell(told.problem);
    return show();
  }
  if (told.waiting) {
    find(".facts").textContent = told.waiting;
    return;
  }
  if (told.step === told.steps) searching = 0;
  showFound(told);
  if (!searching || told.step === 0) say();
}

function showFound(told) {
  last = told;
  for (const [selector, source, alt] of [[".target", told.target, "Your photo at the model's size"], [".found", told.picture, "The nearest face that " + about.model + " has found so far"]]) {
    const picture = find(selector);
    picture.src = source;
    picture.alt = alt;
    picture.hidden = false;
  }
  show();
  drawCurve(told);
}

// The result in words; while the search runs only its beginning, so that a screen reader is not flooded.
function say() {
  const facts = find(".facts");
  facts.textContent = "";
  if (!last) return;
  const psnr = last.psnr.at(-1), words = CLOSENESS.find(([limit]) => psnr < limit)[1];
  const bold = (text) => facts.appendChild(document.createElement("b")).append(text);
  if (last.note) facts.append(last.note + " ");
  if (last.step === 0) return facts.append("The first guess is there; now it comes nearer step by step.");
  facts.append((last.step < last.steps ? "Stopped after " + last.step + " steps: " : "Found: "));
  bold(psnr.toFixed(1) + " dB");
  facts.append(" PSNR, " + words + " (the first guess: " + last.psnr[0].toFixed(1) + " dB). Distance in what the network sees: ");
  bold(last.features.at(-1).toFixed(2));
  facts.append(" (the first guess: " + last.features[0].toFixed(2) + ").");
}

function drawCurve(told) {
  find(".descent").hidden = false;
  const svg = find(".curve"), left = 34, right = 290, top = 20, bottom = 66;
  const low = Math.min(...told.psnr), high = Math.max(...told.psnr, low + 2);
  const x = (step) => left + ((right - left) * step) / told.steps, y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  const node = (tag, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const now = told.psnr.at(-1);
  svg.replaceChildren(
    node("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }),
    node("polyline", { class: "line", points: told.psnr.map((value, step) => x(step).toFixed(1) + "," + y(value).toFixed(1)).join(" ") }),
    node("circle", { cx: x(told.psnr.length - 1), cy: y(now), r: 3 }),
    node("text", { x: left - 5, y: y(told.psnr[0]) + 3, "text-anchor": "end" }, told.psnr[0].toFixed(1)),
    node("text", { class: "now", x: Math.max(x(told.psnr.length - 1), left + 40), y: y(now) - 6, "text-anchor": "end" }, now.toFixed(1) + " dB"),
    node("text", { x: left, y: bottom + 12 }, "first guess"),
    node("text", { x: right, y: bottom + 12, "text-anchor": "end" }, told.steps + " steps"),
  );
}

find(".go").addEventListener("click", start);
find(".stop").addEventListener("click", stop);
find(".take").addEventListener("click", () => {
  document.dispatchEvent(new CustomEvent("face-wanted", { detail: last.state }));
  [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === "Explore").click();
  window.scrollTo(0, 0);
});

function receive() {
  const value = props.value || {};
  if (value.search) return receiveSearch(value.search);
  if (value.failed) return searching && receiveSearch({ number: searching, problem: "The server did not look for this face: try again in a moment." });
  if (value.chosen) chosen = true;
  if (value.problem !== undefined) tell(value.problem);
  if (value.about && value.about.model !== about.model) {
    about = value.about;
    reset();
  }
  if (before && about.model) restore();
}

watch("value", receive);
show();
if (before) chosen = before.chosen;
watchOpening(() => trigger("opened", { chosen: before?.model ?? (chosen ? about.model : "") }));
