// What a search has found up to now: the two pictures, how near they are, and the way there.
import { makeSvg } from "../shared/elements.js";
import { entitled } from "../shared/words.js";
import { descent, facts } from "./likeness.js";

const BOX = { left: 34, right: 290, top: 20, bottom: 66 }; // of the curve, in its own units

export function buildFound(root) {
  const find = (selector) => root.querySelector(selector);

  // told: what the server's `find_face` tells; name: of the model.
  function show(told, name) {
    picture(".target", told.target, "Your photo at the model's size");
    const so = told.step < told.steps ? `, up to step ${told.step} of ${told.steps}` : "";
    const near = `${told.psnr.at(-1).toFixed(1)} dB`;
    picture(".found", told.picture, `The nearest picture that ${entitled(name)} was found to draw${so}: ${near}`);
    find(".descent").hidden = false;
    find(".curve").replaceChildren(...curve(told));
  }

  function picture(selector, address, words) {
    const shown = find(selector);
    shown.src = address;
    shown.alt = words;
    shown.hidden = false;
  }

  function hide() {
    for (const selector of [".target", ".found", ".descent"]) find(selector).hidden = true;
    tell("");
  }

  function tell(sentence) {
    find(".facts").textContent = sentence;
  }

  // The result in words.
  function tellFacts(told) {
    find(".facts").replaceChildren(
      ...facts(told).map(({ text, strong }) => {
        const part = document.createElement(strong ? "b" : "span");
        part.textContent = text;
        return part;
      }),
    );
  }

  return { show, hide, tell, tellFacts };
}

function curve(told) {
  const { left, right, bottom } = BOX;
  const points = descent(told, BOX);
  const [x, y] = points.at(-1);
  const [, first] = points[0];
  const dB = (value) => value.toFixed(1);
  const line = points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ");
  return [
    makeSvg("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }),
    makeSvg("polyline", { class: "line", points: line }),
    makeSvg("circle", { cx: x, cy: y, r: 3 }),
    makeSvg("text", { x: left - 5, y: first + 3, "text-anchor": "end" }, dB(told.psnr[0])),
    makeSvg(
      "text",
      { class: "now", x: Math.max(x, left + 40), y: y - 6, "text-anchor": "end" },
      `${dB(told.psnr.at(-1))} dB`,
    ),
    makeSvg("text", { x: left, y: bottom + 12 }, "first guess"),
    makeSvg("text", { x: right, y: bottom + 12, "text-anchor": "end" }, `${told.steps} steps`),
  ];
}
