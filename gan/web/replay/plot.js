// The timeline's drawing: axis, curves, marks, from data and size alone.
import { makeSvg } from "../shared/elements.js";
import { compact, count, curvePath, lossRange, roundStep, timeTicks } from "./scale.js";

export const LEFT = 38; // pixels to the left of the plots
const PLOT = { right: 12, events: 22, legend: 24, ticks: 12, labels: 20 };

// Draws everything that does not move with the cursor.
//
// runs: data of each, as the server's `replay_run` gives them.
// Returns where things are: x of an image, the width between the sides, the tops of the plots.
export function drawPlot(svg, runs, axis, width, height) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const inner = width - LEFT - PLOT.right;
  const x = (images) => LEFT + axis.to(images) * inner;
  const free = height - PLOT.events - 2 * PLOT.legend - PLOT.ticks - PLOT.labels;
  const lossTop = PLOT.events + PLOT.legend;
  const lossBottom = lossTop + free * 0.54;
  const scoreTop = lossBottom + PLOT.legend;
  const scoreBottom = lossTop + free + PLOT.legend;
  const [low, high] = lossRange(runs);
  const loss = { top: lossTop, bottom: lossBottom, low, high };
  const score = { top: scoreTop, bottom: scoreBottom, low: 0, high: 1 };
  for (const value of timeTicks(axis, inner)) {
    draw("line", { class: "grid", x1: x(value), x2: x(value), y1: lossTop, y2: scoreBottom }, svg);
    const anchor = value ? "middle" : "start";
    draw("text", { class: "tick", x: x(value), y: height - 5, "text-anchor": anchor }, svg, compact(value));
  }
  for (const [plot, step, columns, even] of [
    [loss, roundStep(high - low, 4), ["loss_g", "loss_d"], null],
    [score, 0.5, ["d_fake", "d_real"], 0.5],
  ]) {
    const y = (value) => {
      const share = (Math.min(plot.high, Math.max(plot.low, value)) - plot.low) / (plot.high - plot.low);
      return plot.bottom - share * (plot.bottom - plot.top);
    };
    for (let value = Math.ceil(plot.low / step) * step; value <= plot.high + 1e-9; value += step) {
      const name = value === even ? "grid even" : "grid";
      draw("line", { class: name, x1: LEFT, x2: width - PLOT.right, y1: y(value), y2: y(value) }, svg);
      const label = { class: "tick", x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" };
      draw("text", label, svg, +value.toPrecision(3));
    }
    runs.forEach((run, slot) => {
      for (const column of columns) {
        const path = (kind) => curvePath(run.images, run[kind][column], x, y);
        if (run.window > 1 && runs.length === 1) draw("path", { class: `raw ${column}`, d: path("curves") }, svg);
        draw("path", { class: `curve ${column} run${slot}`, d: path("smoothed") }, svg);
      }
    });
  }
  for (const [slot, run] of runs.entries()) drawMarks(svg, run, slot, x, scoreBottom);
  return { x, inner, lossTop, scoreTop };
}

// Where a run has sheets, and what it noticed.
function drawMarks(svg, run, slot, x, bottom) {
  for (const [, images] of run.sheets) {
    const top = bottom + 3 + slot * 5;
    draw("line", { class: `sheet-mark run${slot}`, x1: x(images), x2: x(images), y1: top, y2: top + 5 }, svg);
  }
  for (const [images, text] of run.events) {
    const mark = draw("g", { class: "event-mark", transform: `translate(${x(images).toFixed(1)} 11)` }, svg);
    draw("line", { x1: 0, x2: 0, y1: 6, y2: bottom - 11 }, mark);
    draw("path", { d: "M0-6L6 0 0 6-6 0z" }, mark);
    draw("title", {}, mark, `${count(images)} images: ${text}`);
  }
}

function draw(tag, attributes, parent, text) {
  return parent.appendChild(makeSvg(tag, attributes, text));
}
