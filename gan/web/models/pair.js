// Two models side by side: what they draw of one seed, by the browser where that draws, else by the server.
import { drawn, foresee } from "../engine/choosing.js";
import { serverEngine } from "../engine/server.js";
import { fill as fillTrack } from "../shared/elements.js";
import { fill, html } from "../shared/html.js";
import { remember, remembered } from "../shared/remembering.js";
import { plainFace } from "../shared/state.js";

const SIDES = ["left", "right"];

// server: as `mount` is given it; explore: goes on with a model in Explore.
export function buildPair(root, server, explore) {
  const engine = serverEngine(server);
  const range = root.querySelector("input");
  const output = root.querySelector("output");
  let chosen = null; // a model for each side
  let wanted = null; // {seed, models}: what is to be drawn
  let isDrawing = false;
  fill(root.querySelector(".sides"), SIDES.map(side));
  const figures = [...root.querySelectorAll("figure")];
  const selects = [...root.querySelectorAll("select")];

  // One question at a time; of what is wanted meanwhile only the last is asked.
  async function draw() {
    wanted = { seed: Number(range.value), models: [...chosen] };
    output.value = range.value;
    fillTrack(range);
    remember("pair", wanted);
    if (isDrawing) return;
    isDrawing = true;
    for (let asked = null; asked !== wanted; ) {
      asked = wanted;
      await Promise.all(asked.models.map((model, at) => drawOne(figures[at], model, asked.seed)));
    }
    isDrawing = false;
  }

  async function drawOne(figure, model, seed) {
    const face = plainFace(model, seed);
    const found = await drawn(
      model,
      (local) => local.draw(face, true),
      () => engine.draw(face, true),
    );
    const problem = found.problem ?? found.notice ?? "";
    figure.querySelector("p").textContent = problem;
    if (problem) return; // the last picture stays
    const title = selects[figures.indexOf(figure)].selectedOptions[0].textContent;
    show(figure, found.picture, `Seed ${seed}, drawn by ${title}`);
  }

  root.addEventListener("change", ({ target }) => {
    const at = selects.indexOf(target);
    if (at < 0) return;
    chosen[at] = target.value;
    foresee(target.value);
    draw();
  });
  range.addEventListener("input", draw);
  root.querySelector(".other").addEventListener("click", () => {
    range.value = Math.floor(Math.random() * (Number(range.max) + 1));
    draw();
  });
  root.addEventListener("click", ({ target }) => {
    const at = target.closest("[data-side]")?.dataset.side;
    if (at) explore(chosen[SIDES.indexOf(at)]);
  });

  return {
    get seed() {
      return Number(range.value);
    },
    // models: rows, in their order; the pair of before stays where it can, else it is the first and the last.
    offer(models) {
      root.hidden = models.length < 2;
      if (root.hidden) return;
      const names = models.map(({ name }) => name);
      const before = chosen ? { models: chosen, seed: range.value } : remembered("pair");
      range.value = before?.seed ?? 0;
      const first = [names[0], names.at(-1)];
      chosen = SIDES.map((_, at) => (names.includes(before?.models[at]) ? before.models[at] : first[at]));
      for (const [at, select] of selects.entries()) {
        fill(
          select,
          models.map(({ name, title }) => html`<option value="${name}">${title}</option>`),
        );
        select.value = chosen[at];
        foresee(chosen[at]);
      }
      draw();
    },
  };
}

function side(name) {
  return html`<figure><label>Model on the ${name}<select></select></label>
    <div class="drawn"><img alt="" hidden><canvas role="img" hidden></canvas></div><p role="status"></p>
    <button type="button" class="quiet" data-side="${name}">Explore this face</button></figure>`;
}

// picture: an address, or an ImageData that this browser has drawn.
function show(figure, picture, words) {
  const [image, canvas] = [figure.querySelector("img"), figure.querySelector("canvas")];
  const isHere = picture instanceof ImageData;
  image.hidden = isHere;
  canvas.hidden = !isHere;
  if (isHere) {
    canvas.width = canvas.height = picture.width;
    canvas.getContext("2d").putImageData(picture, 0, 0);
    canvas.setAttribute("aria-label", words);
  } else Object.assign(image, { src: picture, alt: words });
}
