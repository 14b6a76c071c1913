// This face through the epochs: a row of pictures, each of a moment of a run.
import { copyTile } from "./sheets.js";
import { decode } from "./runs.js";
import { compact, count, lastAt } from "./scale.js";

// ask: begins the drawing; go: moves the timeline to a moment; moment: now, in images seen.
export function buildStrip(root, { ask, go, moment }) {
  const find = (selector) => root.querySelector(selector);
  const tiles = find(".tiles");
  let offered = { kind: "face", sentence: find(".about").textContent };
  let isTold = false; // something else than what is offered
  let strip = null;
  let wanted = false;
  let cleared = 0; // the latter counts, so that what comes late shows nothing

  function draw() {
    wanted = true;
    find(".draw").setAttribute("aria-busy", "true");
    find(".about").textContent = "Drawing…";
    ask();
  }

  // Takes the strip away.
  function clear(sentence = "") {
    find(".draw").removeAttribute("aria-busy");
    strip = null;
    cleared += 1;
    find(".film").hidden = true;
    say(sentence);
  }

  // A sentence about what is shown, in place of what is offered; none for that again.
  function say(sentence) {
    isTold = Boolean(sentence);
    find(".about").textContent = sentence || offered.sentence;
  }

  // What there is to show: kind: "face" or "digit"; label: of the button, "" for nothing; sentence: about it.
  function offer({ kind, label, sentence }) {
    offered = { kind, sentence };
    find(".through h2").textContent = `This ${kind} through the epochs`;
    find(".draw").disabled = !label;
    if (label) find(".draw").textContent = label;
    if (!isTold && !find(".draw").hasAttribute("aria-busy")) find(".about").textContent = sentence;
  }

  // How far it is.
  function tell(drawn, all) {
    if (find(".draw").hasAttribute("aria-busy")) find(".about").textContent = `Drawing ${drawn + 1} of ${all}…`;
  }

  // answer: what the server's `strip` gives, or answers.js.
  async function showRow(answer) {
    clear(answer.problem || answer.about);
    if (answer.problem) return;
    const number = cleared;
    const drawn = await rowOf(answer);
    if (number === cleared) show(answer.about, () => drawn);
  }

  // The last picture of the row that is there, in the place of what it shows of that moment. answer: likewise.
  async function showLast(answer) {
    const of = strip;
    if (!of) return;
    if (answer.problem) return say(answer.problem);
    of.last = await rowOf(answer);
    if (of === strip) renew();
  }

  async function rowOf({ images, picture, film }) {
    const whole = picture ?? (await decode(film.split(",")[1]));
    const size = whole.width / images.length;
    return { images, paint: (canvas, at) => copyTile(canvas, whole, size, at, 0) };
  }

  // row(): {images: of each picture, paint(canvas, at): one of them}; it may have more or others when asked again.
  function show(about, row) {
    clear(about);
    strip = { row, last: null, images: [], shown: -1 };
    renew();
  }

  // After what a row is made of has come, or was lost.
  function renew() {
    if (!strip) return;
    const { images, paint } = withLast(strip.row(), strip.last);
    if (!images.length) return clear();
    strip.paint = paint;
    if (images.join() !== strip.images.join()) lay(images);
    for (const [at, tile] of [...tiles.children].entries()) paint(tile.firstChild, at);
    if (strip.shown >= 0) paint(find(".now"), strip.shown);
    mark();
  }

  function withLast(row, last) {
    if (!last) return row;
    const before = row.images.filter((moment) => moment < last.images[0]);
    const paint = (canvas, at) => (at < before.length ? row.paint(canvas, at) : last.paint(canvas, at - before.length));
    return { images: [...before, ...last.images], paint };
  }

  // A tile for each moment; those that are there already stay.
  function lay(images) {
    const focused = document.activeElement;
    const known = new Map(strip.images.map((moment, at) => [moment, tiles.children[at]]));
    find(".film").hidden = false;
    const tileAt = (moment) => {
      const tile = known.get(moment) ?? tileOf(moment);
      known.delete(moment); // two may be of one moment
      return tile;
    };
    tiles.replaceChildren(...images.map(tileAt));
    if (tiles.contains(focused)) focused.focus({ preventScroll: true });
    strip.images = images;
    strip.shown = -1;
  }

  function tileOf(images) {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.setAttribute("aria-label", nameOf(images));
    tile.append(document.createElement("canvas"), compact(images));
    tile.addEventListener("click", () => go(images));
    return tile;
  }

  const nameOf = (images) => `The ${offered.kind} after ${count(images)} images`;

  // The picture of the moment, large and marked.
  function mark() {
    if (!strip) return;
    const at = Math.max(0, lastAt(strip.images, moment() + 0.5));
    if (at === strip.shown) return;
    strip.shown = at;
    const tile = tiles.children[at];
    strip.paint(find(".now"), at);
    find(".now").setAttribute("aria-label", nameOf(strip.images[at]));
    tiles.setAttribute("aria-label", `The ${offered.kind} at each moment`);
    for (const [i, other] of [...tiles.children].entries()) other.setAttribute("aria-current", i === at);
    tiles.scrollLeft = tile.offsetLeft - tiles.offsetLeft - (tiles.clientWidth - tile.offsetWidth) / 2;
  }

  find(".draw").addEventListener("click", draw);
  return {
    offer,
    draw,
    clear,
    tell,
    showRow,
    showLast,
    say,
    show,
    renew,
    mark,
    restore: (before) => (wanted = before.stripWanted),
    get wanted() {
      return wanted;
    },
  };
}
