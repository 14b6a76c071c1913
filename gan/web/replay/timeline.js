// The timeline: the plots, what the curves and the run say at the cursor, and the ways to move it.
import { player } from "../shared/playing.js";
import { advance, step } from "./playhead.js";
import { drawPlot, LEFT } from "./plot.js";
import { titleOf } from "./runs.js";
import { count, lastAt, timeAxis } from "./scale.js";

const LEGENDS = {
  loss: {
    title: "Loss",
    curves: [
      ["loss_g", "generator", "G"],
      ["loss_d", "discriminator", "D"],
    ],
  },
  scores: {
    title: "Taken for real",
    curves: [
      ["d_fake", "drawn, D(G(z))", "D(G(z))"],
      ["d_real", "real, D(x)", "D(x)"],
    ],
  },
};
const WIDE = 560; // pixels from which there is room for long words
const MEETING = "Where D(x) and D(G(z)) meet at 0.5, the discriminator cannot tell real from generated.";

// Its keys are those of the lanes and of the buttons under them: elsewhere in a tab arrow keys walk something else.
//
// runs: see runs.js; moved: is called when the moment has changed; escaped: on the key.
export function buildTimeline(root, runs, { moved, escaped }) {
  const find = (selector) => root.querySelector(selector);
  const lanes = find(".lanes");
  const svg = find(".plot");
  const cursor = find(".cursor");
  const flag = find(".flag");
  let axis = timeAxis(1, true);
  let layout = null;
  let moment = 0;
  let atEnd = true;
  let loop = false;
  let speed = 1;

  // ---- drawing ------------------------------------------------------------------------------------------------------

  // After new data, another size or another axis: everything but the cursor.
  function arrange() {
    const active = runs.active();
    const most = Math.max(0, ...active.map((slot) => slot.data.images_seen));
    axis = timeAxis(most, axis.logarithmic);
    if (atEnd || moment > most) moment = most;
    const width = lanes.clientWidth;
    const height = lanes.clientHeight;
    if (width && height)
      layout = drawPlot(
        svg,
        active.map((slot) => slot.data),
        axis,
        width,
        height,
      );
    arrangeLegends(active);
    arrangeEvents(active);
    lanes.setAttribute("aria-valuemax", most);
    find(".note").textContent = active.length ? note(active) : "";
  }

  function note(active) {
    const window = Math.max(1, ...active.map((slot) => slot.data.window));
    const isPair = active.length > 1;
    const name = titleOf(active.at(-1));
    if (window === 1) return (isPair ? `Dotted: ${name}. ` : "Every history row. ") + MEETING;
    const shown = isPair ? `; dotted: ${name}. ` : "; pale: every row. ";
    return `Curves are means over ${window} history rows${shown}${MEETING}`;
  }

  function arrangeLegends(active) {
    for (const [part, { title, curves }] of Object.entries(LEGENDS)) {
      const legend = find(`.legend.${part}`);
      const head = document.createElement("b");
      head.textContent = title;
      legend.replaceChildren(
        head,
        ...curves.map(([column, long, short], i) => {
          const item = document.createElement("span");
          if (i) item.className = "critic";
          item.append(document.createElement("i"), root.clientWidth >= WIDE ? long : short);
          for (const slot of active) {
            const output = item.appendChild(document.createElement("output"));
            output.dataset.column = column;
            output.dataset.slot = runs.slots.indexOf(slot);
          }
          return item;
        }),
      );
      if (layout) legend.style.top = `${(part === "loss" ? layout.lossTop : layout.scoreTop) - 21}px`;
    }
  }

  function arrangeEvents(active) {
    const list = find(".events ol");
    list.replaceChildren(
      ...active.flatMap((slot) =>
        slot.data.events.map(([images, text]) => {
          const item = document.createElement("li");
          const button = item.appendChild(document.createElement("button"));
          button.type = "button";
          button.dataset.images = images;
          const where = `${count(images)} images${active.length > 1 ? `, ${titleOf(slot)}` : ""}`;
          for (const [name, words] of [
            ["at", where],
            ["text", text],
          ]) {
            const part = button.appendChild(document.createElement("span"));
            part.className = name;
            part.textContent = words;
          }
          button.addEventListener("click", () => goTo(images));
          return item;
        }),
      ),
    );
    find(".events").hidden = !list.children.length;
  }

  // Everything that depends on the moment.
  function render() {
    cursor.hidden = !layout || !runs.active().length;
    if (!cursor.hidden) {
      const x = layout.x(moment);
      cursor.style.transform = `translateX(${x}px)`;
      flag.textContent = count(moment);
      const half = flag.offsetWidth / 2 + 4;
      flag.style.setProperty("--shift", `${Math.max(0, half - x) - Math.max(0, x + half - lanes.clientWidth)}px`);
    }
    for (const output of root.querySelectorAll(".legend output")) {
      const { images, smoothed } = runs.slots[output.dataset.slot].data;
      const value = smoothed[output.dataset.column][lastAt(images, moment + 0.5)] ?? null;
      output.textContent = value === null ? "–" : value.toFixed(2);
    }
    for (const button of root.querySelectorAll(".events button")) {
      button.classList.toggle("passed", Number(button.dataset.images) <= moment + 0.5);
    }
    lanes.setAttribute("aria-valuenow", Math.round(moment));
    lanes.setAttribute("aria-valuetext", `${count(moment)} images seen`);
  }

  // ---- moving -------------------------------------------------------------------------------------------------------

  function seek(images) {
    moment = Math.max(0, Math.min(axis.most, images));
    atEnd = moment >= axis.most;
    moved();
  }

  function goTo(images) {
    playing.pause();
    seek(images);
  }

  function stepBy(sheets) {
    const moments = new Set(runs.active().flatMap((slot) => slot.data.sheets.map(([, images]) => images)));
    const next = step(
      [...moments].sort((a, b) => a - b),
      moment,
      sheets,
    );
    if (next !== null) goTo(next);
  }

  const playing = player(find(".play"), (passed) => {
    const sheets = Math.max(1, ...runs.active().map((slot) => slot.data.sheets.length));
    const next = advance(axis, moment, passed, { sheets, speed, loop });
    if (next.ended) playing.pause();
    seek(next.moment);
  });

  function playOrPause() {
    if (playing.playing) return playing.pause();
    if (!runs.active().length) return;
    if (atEnd) seek(0);
    playing.play();
  }

  function scrub(event) {
    const left = lanes.getBoundingClientRect().left + LEFT;
    if (layout) seek(axis.from((event.clientX - left) / layout.inner));
  }

  lanes.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    playing.pause();
    lanes.setPointerCapture(event.pointerId);
    scrub(event);
  });
  lanes.addEventListener("pointermove", (event) => lanes.hasPointerCapture(event.pointerId) && scrub(event));

  const KEYS = {
    ArrowLeft: (many) => stepBy(-many),
    ArrowRight: (many) => stepBy(many),
    ArrowDown: (many) => stepBy(-many),
    ArrowUp: (many) => stepBy(many),
    PageDown: () => stepBy(-5),
    PageUp: () => stepBy(5),
    Home: () => goTo(0),
    End: () => goTo(axis.most),
    " ": playOrPause,
    Escape: escaped,
  };
  const VERTICAL = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]; // elsewhere they move the page
  find(".time").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, .axis")) return;
    if (!KEYS[event.key] || (VERTICAL.includes(event.key) && event.target !== lanes)) return;
    if (event.key === " " && event.target.closest("button")) return;
    event.preventDefault();
    KEYS[event.key](event.shiftKey ? 5 : 1);
  });

  find(".play").addEventListener("click", playOrPause);
  find(".back").addEventListener("click", () => stepBy(-1));
  find(".next").addEventListener("click", () => stepBy(1));
  find(".speed select").addEventListener("change", (event) => (speed = Number(event.target.value)));
  find(".loop").addEventListener("click", (event) => {
    loop = !loop;
    event.currentTarget.setAttribute("aria-pressed", loop);
  });
  for (const kind of ["log", "linear"]) {
    find(`.axis .${kind}`).addEventListener("click", () => {
      for (const other of ["log", "linear"]) find(`.axis .${other}`).setAttribute("aria-pressed", other === kind);
      axis = timeAxis(axis.most, kind === "log");
      arrange();
      moved();
    });
  }

  return {
    arrange,
    render,
    goTo,
    pause: () => playing.pause(),
    // To the end, also where that is not known yet.
    toEnd: () => (atEnd = true),
    // As before a reload.
    restore: (before) => ({ moment, atEnd } = before),
    get playing() {
      return playing.playing;
    },
    get logarithmic() {
      return axis.logarithmic;
    },
    get moment() {
      return moment;
    },
    get atEnd() {
      return atEnd;
    },
  };
}
