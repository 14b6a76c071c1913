// The Replay tab's viewer. Sheets and numbers come from the server once; scrubbing and playing ask it nothing.
// Given by Gradio: element, trigger, props, server, watch. Text from a run goes into the page as text, never as HTML.

const root = element.querySelector(".replay");
const find = (selector) => root.querySelector(selector);
const lanes = find(".lanes"), svg = find(".plot"), cursor = find(".cursor"), flag = find(".flag");
const stage = find(".stage"), loupe = find(".loupe"), message = find(".message");
const figures = [...root.querySelectorAll(".sheet")];
const COLUMNS = 8; // of a sheet: seeds 0 to 63, row by row
const PLAY_SECONDS = [4, 14]; // for the whole timeline at speed 1: 0.25 s a sheet, within these
const LIVE_SECONDS = 4;
const LEGENDS = { loss: [["loss_g", "generator", "G"], ["loss_d", "discriminator", "D"]], scores: [["d_fake", "D(G(z))", "D(G(z))"], ["d_real", "D(x)", "D(x)"]] };

const slots = [0, 1].map(() => ({ name: "", data: null, pictures: new Map(), shown: undefined, asking: 0 }));
let axis = timeAxis(1, true), layout = null, moment = 0, atEnd = true;
let loop = false, speed = 1;
let hovered = null, kept = null; // faces of the sheets, by seed
let strip = null, stripWanted = false, refreshing = 0, failed = "", again = false; // the latter two: why there is no answer, and whether to ask once more
let before = remembered("replay"); // what was here before a reload

const active = () => slots.filter((slot) => slot.name && slot.data);
const count = (images) => Math.round(images).toLocaleString("en");
const lastBy = (sorted, value, key) => {
  let low = 0, high = sorted.length;
  while (low < high) { const mid = (low + high) >> 1; if (key(sorted[mid]) <= value) low = mid + 1; else high = mid; }
  return low - 1;
};

// ---- data -----------------------------------------------------------------------------------------------------------

async function choose(names) {
  if (names.join() === slots.map((slot) => slot.name).join()) return;
  const first = names[0] !== slots[0].name;
  slots.forEach((slot, i) => {
    if (slot.name === names[i]) return;
    slot.pictures.forEach((picture) => picture && picture.close());
    Object.assign(slot, { name: names[i], data: null, pictures: new Map(), shown: undefined });
  });
  if (first) { replay.pause(); keep(null); showStrip(null); atEnd = true; }
  arrange();
  await refresh();
  if (before && slots[0].data) {
    ({ moment, atEnd, stripWanted } = before);
    before = null;
    arrange();
  }
  if (first && stripWanted) askStrip();
}

// For a reload of the page.
function rememberReplay() {
  if (slots[0].data) remember("replay", { run: slots[0].name, second: slots[1].name, moment: moment, atEnd: atEnd, stripWanted: stripWanted });
}

async function refresh() {
  const wanted = slots.filter((slot) => slot.name);
  root.setAttribute("aria-busy", ++refreshing > 0);
  let changed = Boolean(failed);
  failed = "";
  again = false;
  await Promise.all(wanted.map(async (slot) => {
    const name = slot.name;
    const data = await ask("replay_run", { name: name, stamp: slot.data ? slot.data.stamp : null });
    if (slot.name !== name || data.unchanged) return; // another run was chosen meanwhile
    changed = true;
    if (!data.sheets) return noteFailure(data); // what is there stays
    slot.data = data;
    slot.shown = undefined;
  }));
  if (changed) arrange();
  showLive();
  if (!failed) await Promise.all(wanted.map(fetchSheets));
  root.setAttribute("aria-busy", --refreshing > 0);
}

function noteFailure(answer) {
  failed = answer.problem;
  again = Boolean(answer.unanswered);
}

// The sheet under the cursor first, then the others, several in one answer.
async function fetchSheets(slot) {
  if (!slot.data) return;
  const name = slot.name, asking = ++slot.asking;
  const key = ([index, , version]) => index + ":" + version;
  const missing = slot.data.sheets.filter((sheet) => !slot.pictures.has(key(sheet)));
  const current = sheetAt(slot);
  missing.sort((a, b) => (b === current) - (a === current));
  let amount = 1;
  while (missing.length && slot.name === name && slot.asking === asking) {
    const batch = missing.splice(0, amount);
    const answered = await ask("replay_sheets", { name: name, sheets: batch.map((sheet) => sheet[0]) }), answer = answered.sheets;
    if (slot.name !== name) return;
    if (!answer) {
      noteFailure(answered);
      return arrange();
    }
    for (const [index, , content] of answer) {
      const sheet = batch.find((other) => other[0] === index);
      slot.pictures.set(key(sheet), content && (await decode(content)));
    }
    const left = batch.filter((sheet) => !slot.pictures.has(key(sheet)));
    if (answer.length) missing.unshift(...left); // what did not fit into this answer
    amount = 12;
    slot.shown = undefined;
    render();
  }
}

async function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  try {
    return await createImageBitmap(new Blob([bytes], { type: "image/webp" }));
  } catch {
    return null; // a damaged file
  }
}

function sheetAt(slot) {
  const sheets = slot.data ? slot.data.sheets : [];
  return sheets[Math.max(0, lastBy(sheets, moment + 0.5, (sheet) => sheet[1]))] || null;
}

const pictureOf = (slot, sheet) => sheet && slot.pictures.get(sheet[0] + ":" + sheet[2]);

// ---- drawing --------------------------------------------------------------------------------------------------------

function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

// After new data, another size or another axis: everything but the cursor.
function arrange() {
  const runs = active();
  const most = Math.max(0, ...runs.map((slot) => slot.data.images_seen));
  axis = timeAxis(most, axis.logarithmic);
  if (atEnd || moment > most) moment = most;
  stage.classList.toggle("two", Boolean(slots[1].name));
  figures[1].hidden = !slots[1].name;
  const problems = runs.filter((slot) => slot.data.problem).map((slot) => slot.name + ": " + slot.data.problem);
  say(failed || slots[0].name ? [failed, ...problems].join(" ").trim() : "There is no run yet: train.py makes one, and it appears here while it trains.");
  const width = lanes.clientWidth, height = lanes.clientHeight;
  if (width && height) layout = drawPlot(svg, runs.map((slot) => slot.data), axis, width, height);
  arrangeLegends(runs);
  arrangeEvents(runs);
  lanes.setAttribute("aria-valuemax", most);
  find(".through .draw").disabled = !slots[0].data || !slots[0].data.snapshots;
  root.querySelectorAll(".files button").forEach((button) => (button.disabled = !runs.some((slot) => slot.data.images_seen)));
  const window = Math.max(1, ...runs.map((slot) => slot.data.window));
  find(".note").textContent = !runs.length ? "" :
    (window > 1 ? "Curves are means over " + window + " history rows" + (runs.length > 1 ? "; dotted: " + slots[1].name + ". " : "; pale: every row. ")
      : runs.length > 1 ? "Dotted: " + slots[1].name + ". " : "Every history row. ") +
    "Where D(x) and D(G(z)) meet at 0.5, the discriminator cannot tell real from generated.";
  render();
}

function showLive() {
  find(".live").hidden = !active().some((slot) => slot.data.training);
  find(".live-text").textContent = "in training, looked at " + new Date().toLocaleTimeString();
}

function arrangeLegends(runs) {
  for (const part in LEGENDS) {
    const legend = find(".legend." + part);
    legend.replaceChildren();
    const title = legend.appendChild(document.createElement("b"));
    title.textContent = part === "loss" ? "Loss" : "Score";
    LEGENDS[part].forEach(([column, long, short], i) => {
      const item = legend.appendChild(document.createElement("span"));
      if (i) item.className = "critic";
      item.append(document.createElement("i"), long === short || root.clientWidth >= 560 ? long : short);
      for (const slot of runs) {
        const output = item.appendChild(document.createElement("output"));
        output.dataset.column = column;
        output.dataset.slot = slots.indexOf(slot);
      }
    });
    if (layout) legend.style.top = (part === "loss" ? layout.lossTop : layout.scoreTop) - 21 + "px";
  }
}

function arrangeEvents(runs) {
  const list = find(".events ol");
  list.replaceChildren();
  for (const slot of runs) {
    for (const [images, text] of slot.data.events) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.images = images;
      const at = button.appendChild(document.createElement("span"));
      at.className = "at";
      at.textContent = count(images) + " images" + (runs.length > 1 ? ", " + slot.name : "");
      const words = button.appendChild(document.createElement("span"));
      words.className = "text";
      words.textContent = text;
      button.addEventListener("click", () => { replay.pause(); seek(images); });
      list.appendChild(document.createElement("li")).append(button);
    }
  }
  find(".events").hidden = !list.children.length;
}

// Everything that depends on the cursor.
function render() {
  const runs = active();
  cursor.hidden = !layout || !runs.length;
  if (!cursor.hidden) {
    const x = layout.x(moment);
    cursor.style.transform = "translateX(" + x + "px)";
    flag.textContent = count(moment);
    const half = flag.offsetWidth / 2 + 4;
    flag.style.setProperty("--shift", Math.max(0, half - x) - Math.max(0, x + half - lanes.clientWidth) + "px");
  }
  slots.forEach((slot, i) => drawSheet(slot, figures[i]));
  for (const output of root.querySelectorAll(".legend output")) {
    const data = slots[output.dataset.slot].data;
    const row = lastBy(data.images, moment + 0.5, (images) => images);
    const value = row < 0 ? null : data.smoothed[output.dataset.column][row];
    output.textContent = value === null ? "–" : value.toFixed(2);
  }
  for (const button of root.querySelectorAll(".events button")) {
    button.classList.toggle("passed", +button.dataset.images <= moment + 0.5);
  }
  lanes.setAttribute("aria-valuenow", Math.round(moment));
  lanes.setAttribute("aria-valuetext", count(moment) + " images seen");
  drawLoupe();
  markStrip();
}

function drawSheet(slot, figure) {
  const sheet = sheetAt(slot), picture = pictureOf(slot, sheet);
  figure.querySelector(".when").textContent = sheet ? caption(slot, sheet) : "";
  const key = sheet ? sheet[0] + (picture ? "" : picture === null ? "broken" : "waiting") : "none";
  if (slot.shown === key) return;
  slot.shown = key;
  const canvas = figure.querySelector("canvas"), none = figure.querySelector(".none");
  none.hidden = Boolean(sheet) && picture !== null;
  none.textContent = sheet ? "Sheet " + sheet[0] + " is damaged" : slot.data ? "No sample sheet yet" : "";
  figure.querySelector(".name").textContent = slot.name;
  figure.dataset.sheet = sheet ? sheet[0] : "";
  canvas.setAttribute("aria-label", sheet ? "Pictures of the seeds 0 to 63 by " + slot.name + " after " + count(sheet[1]) + " images" : "No sheet");
  if (!picture) return; // while it is on its way, the sheet before stays
  const factor = Math.max(1, Math.ceil(896 / picture.width)); // whole-number enlargement keeps pixels sharp; CSS fits the rest
  const side = picture.width * factor;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, side, side);
}

function caption(slot, [, images, , epoch, seconds]) {
  const parts = [count(images) + " images"];
  if (epoch !== null) parts.push("epoch " + epoch.toFixed(2));
  if (seconds !== null) parts.push(duration(seconds));
  const ended = moment > slot.data.images_seen + 0.5 ? " (its end)" : "";
  return parts.join(" · ") + ended;
}

function duration(seconds) {
  if (seconds < 90) return Math.round(seconds) + " s";
  return seconds < 5400 ? Math.round(seconds / 60) + " min" : (seconds / 3600).toFixed(1) + " h";
}

// ---- one face of the sheets -----------------------------------------------------------------------------------------

function keep(face) {
  kept = face;
  if (face === null) hovered = null;
  drawLoupe();
}

function drawLoupe() {
  const face = kept || hovered;
  const pictures = slots.map((slot) => pictureOf(slot, sheetAt(slot)));
  loupe.hidden = !face || !pictures[0];
  figures.forEach((figure) => (figure.querySelector(".cell").hidden = !face));
  if (loupe.hidden) return;
  const column = face.seed % COLUMNS, row = Math.floor(face.seed / COLUMNS);
  figures.forEach((figure) => Object.assign(figure.querySelector(".cell").style, { left: column * 12.5 + "%", top: row * 12.5 + "%" }));
  [...loupe.querySelectorAll("canvas")].forEach((canvas, i) => {
    canvas.hidden = !pictures[i] || !slots[i].name;
    if (!canvas.hidden) copyTile(canvas, pictures[i], pictures[i].width / COLUMNS, column, row);
  });
  loupe.classList.toggle("kept", Boolean(kept));
  loupe.querySelector(".seed").textContent = "seed " + face.seed;
  loupe.querySelector(".pin").textContent = kept ? "click it again to let go" : "click to keep it";
  const link = loupe.querySelector(".open");
  link.hidden = !kept;
  link.href = "?" + new URLSearchParams({ model: slots[0].name, seed: face.seed });
  const frame = figures[face.slot].querySelector(".frame"), box = find(".sheets");
  const size = frame.clientWidth / COLUMNS, wide = loupe.offsetWidth;
  const left = frame.offsetLeft + figures[face.slot].offsetLeft + column * size + size / 2 - wide / 2;
  loupe.style.left = Math.max(0, Math.min(box.clientWidth - wide, left)) + "px";
  const top = figures[face.slot].offsetTop + row * size;
  loupe.style.top = (row < 4 ? top + size + 8 : top - loupe.offsetHeight - 8) + "px";
}

function copyTile(canvas, picture, size, column, row) {
  const side = size * Math.max(1, Math.round(canvas.clientWidth * 2 / size)) || size;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, column * size, row * size, size, size, 0, 0, side, side);
}

figures.forEach((figure, slot) => {
  const canvas = figure.querySelector("canvas");
  const faceAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const cell = (share) => Math.max(0, Math.min(COLUMNS - 1, Math.floor(share * COLUMNS)));
    return { slot: slot, seed: cell((event.clientY - box.top) / box.height) * COLUMNS + cell((event.clientX - box.left) / box.width) };
  };
  canvas.addEventListener("pointermove", (event) => { hovered = faceAt(event); if (!kept) drawLoupe(); });
  canvas.addEventListener("pointerleave", () => { hovered = null; if (!kept) drawLoupe(); });
  canvas.addEventListener("click", (event) => {
    const face = faceAt(event);
    keep(kept && kept.seed === face.seed ? null : face);
  });
});

// ---- time -----------------------------------------------------------------------------------------------------------

function seek(images) {
  moment = Math.max(0, Math.min(axis.most, images));
  atEnd = moment >= axis.most;
  if (!replay.playing) rememberReplay();
  render();
}

function step(sheets) {
  const moments = [...new Set(active().flatMap((slot) => slot.data.sheets.map((sheet) => sheet[1])))].sort((a, b) => a - b);
  if (!moments.length) return;
  let at = lastBy(moments, moment + 0.5, (images) => images);
  if (sheets < 0 && moment > moments[Math.max(0, at)] + 0.5) at += 1; // back from between two sheets: to the one shown
  replay.pause();
  seek(moments[Math.max(0, Math.min(moments.length - 1, at + sheets))]);
}

const replay = player(find(".play"), (passed) => {
  const sheets = Math.max(1, ...active().map((slot) => slot.data.sheets.length));
  const seconds = Math.min(PLAY_SECONDS[1], Math.max(PLAY_SECONDS[0], sheets / 4)) / speed;
  const share = axis.to(moment) + Math.min(0.1, passed / seconds);
  seek(share >= 1 && loop ? 0 : axis.from(share));
  if (share >= 1 && !loop) {
    replay.pause();
    seek(axis.most);
  }
});

function playOrPause() {
  if (replay.playing) return replay.pause();
  if (!active().length) return;
  if (atEnd) seek(0);
  replay.play();
}

function scrub(event) {
  const box = lanes.getBoundingClientRect();
  if (layout) seek(axis.from((event.clientX - box.left - PLOT.left) / layout.inner));
}

lanes.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  replay.pause();
  lanes.setPointerCapture(event.pointerId);
  scrub(event);
});
lanes.addEventListener("pointermove", (event) => { if (lanes.hasPointerCapture(event.pointerId)) scrub(event); });

root.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input, a")) return;
  const many = event.shiftKey ? 5 : 1;
  const onButton = event.target.closest("button");
  const actions = {
    ArrowLeft: () => step(-many), ArrowRight: () => step(many), ArrowDown: () => step(-many), ArrowUp: () => step(many),
    PageDown: () => step(-5), PageUp: () => step(5), Home: () => { replay.pause(); seek(0); }, End: () => { replay.pause(); seek(axis.most); },
    " ": playOrPause, Escape: () => keep(null),
  };
  const vertical = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"].includes(event.key);
  if (!actions[event.key] || (vertical && event.target !== lanes) || (event.key === " " && onButton)) return;
  event.preventDefault();
  actions[event.key]();
});

find(".play").addEventListener("click", playOrPause);
find(".back").addEventListener("click", () => step(-1));
find(".next").addEventListener("click", () => step(1));
find(".speed select").addEventListener("change", (event) => (speed = +event.target.value));
find(".loop").addEventListener("click", (event) => {
  loop = !loop;
  event.currentTarget.setAttribute("aria-pressed", loop);
});
for (const kind of ["log", "linear"]) {
  find(".axis ." + kind).addEventListener("click", () => {
    for (const other of ["log", "linear"]) find(".axis ." + other).setAttribute("aria-pressed", other === kind);
    axis = timeAxis(axis.most, kind === "log");
    arrange();
  });
}

// ---- life -----------------------------------------------------------------------------------------------------------

function receive() {
  const value = props.value || {};
  if (value.failed) showStrip({ run: slots[0].name, problem: "The server did not draw this: try again in a moment." });
  else if ("strip" in value) showStrip(value.strip);
  else choose([value.run || "", value.second || ""]).then(() => { if (!slots[0].name) arrange(); });
}

watch("value", receive);
const shownRuns = () => ({ run: before?.run ?? slots[0].name, second: before?.second ?? slots[1].name });
find(".refresh").addEventListener("click", () => { trigger("opened", shownRuns()); refresh(); });

new ResizeObserver(() => { if (lanes.clientWidth && slots[0].name) arrange(); }).observe(lanes);
watchOpening(() => {
  trigger("opened", shownRuns());
  if (slots[0].name) refresh();
  if (stripWanted) askStrip(); // Explore may show another face by now
}, () => replay.pause());
const ticking = setInterval(() => {
  if (!element.isConnected) return clearInterval(ticking);
  const training = slots.some((slot) => slot.data && slot.data.training);
  if ((training || again) && !document.hidden && element.offsetParent !== null) refresh();
}, LIVE_SECONDS * 1000);
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
  find(".dot").animate([{ opacity: 1 }, { opacity: 0.25 }, { opacity: 1 }], { duration: 1800, iterations: Infinity });
}
