// This face through the epochs: Explore's face by every snapshot of a run.
import { copyTile } from "./sheets.js";
import { decode } from "./runs.js";
import { compact, count, lastAt } from "./scale.js";

// ask: begins the drawing; go: moves the timeline to a moment.
export function buildStrip(root, { ask, go }) {
  const find = (selector) => root.querySelector(selector);
  const about = find(".about").textContent;
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
  function clear(sentence = about) {
    find(".draw").removeAttribute("aria-busy");
    strip = null;
    cleared += 1;
    find(".film").hidden = true;
    find(".about").textContent = sentence;
  }

  // Whether there is something to draw with; poor: what a run without that is called.
  function allow(poor, isThere) {
    find(".draw").disabled = !isThere;
    if (strip || find(".draw").hasAttribute("aria-busy")) return;
    if (poor) find(".about").textContent = `No generator of ${poor} was kept while it learned: choose another run.`;
    else if (find(".about").textContent.startsWith("No generator of")) find(".about").textContent = about;
  }

  // How far it is.
  function tell(drawn, all) {
    find(".about").textContent = `Drawing ${drawn + 1} of ${all}…`;
  }

  // answer: what the server's `strip` gives, or answers.js.
  async function show(answer, moment) {
    clear(answer.problem || answer.about);
    if (answer.problem) return;
    const number = cleared;
    const picture = answer.picture ?? (await decode(answer.film.split(",")[1]));
    if (number !== cleared) return;
    const size = picture.width / answer.images.length;
    find(".film").hidden = false;
    const canvases = answer.images.map(() => document.createElement("canvas"));
    find(".tiles").replaceChildren(
      ...answer.images.map((images, i) => {
        const tile = document.createElement("button");
        tile.type = "button";
        tile.setAttribute("aria-label", `The face after ${count(images)} images`);
        tile.append(canvases[i], compact(images));
        tile.addEventListener("click", () => go(images));
        return tile;
      }),
    );
    for (const [i, canvas] of canvases.entries()) copyTile(canvas, picture, size, i, 0);
    strip = { picture, size, images: answer.images, shown: -1 };
    mark(moment());
  }

  // The picture of a moment, large and marked.
  function mark(moment) {
    if (!strip) return;
    const at = Math.max(0, lastAt(strip.images, moment + 0.5));
    if (at === strip.shown) return;
    strip.shown = at;
    const now = find(".now");
    const tiles = find(".tiles");
    const tile = tiles.children[at];
    copyTile(now, strip.picture, strip.size, at, 0);
    now.setAttribute("aria-label", `The face after ${count(strip.images[at])} images`);
    for (const [i, other] of [...tiles.children].entries()) other.setAttribute("aria-current", i === at);
    tiles.scrollLeft = tile.offsetLeft - tiles.offsetLeft - (tiles.clientWidth - tile.offsetWidth) / 2;
  }

  find(".draw").addEventListener("click", draw);
  return {
    allow,
    draw,
    clear,
    tell,
    show,
    mark,
    restore: (before) => (wanted = before.stripWanted),
    get wanted() {
      return wanted;
    },
  };
}
