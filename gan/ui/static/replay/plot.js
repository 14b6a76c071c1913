// The timeline's drawing: axis, curves, events, from data and size alone. viewer.js owns the state.

const FIRST_IMAGES = 256; // where the log-spaced sheets begin; gan.films.replay.warp bends the axis at the same place
const PLOT = { left: 38, right: 12, events: 22, legend: 24, ticks: 12, labels: 20 };

function compact(value) {
  if (value >= 1e6) return +(value / 1e6).toPrecision(3) + "M";
  return value >= 1e3 ? +(value / 1e3).toPrecision(3) + "k" : "" + +value.toPrecision(3);
}

function timeAxis(most, logarithmic) {
  const bend = logarithmic ? (x) => Math.asinh(x / FIRST_IMAGES) : (x) => x;
  const back = logarithmic ? (y) => Math.sinh(y) * FIRST_IMAGES : (y) => y;
  const end = bend(Math.max(most, 1));
  return {
    most, logarithmic,
    to: (images) => Math.min(1, Math.max(0, bend(images) / end)),
    from: (share) => back(Math.min(1, Math.max(0, share)) * end),
  };
}

function roundStep(span, parts) {
  const rough = span / parts;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  return power * [1, 2, 5, 10].find((m) => m * power >= rough);
}

function timeTicks(axis, width) {
  const candidates = [0];
  if (axis.logarithmic) {
    for (let power = 100; power <= axis.most; power *= 10) candidates.push(power, 3 * power);
  } else {
    const step = roundStep(Math.max(axis.most, 1), Math.max(2, width / 90));
    for (let value = step; value <= axis.most; value += step) candidates.push(value);
  }
  // 0 has a label always, and whole powers of ten win over the values between them.
  const wanted = candidates.filter((v) => v <= axis.most).sort((a, b) => (b === 0) - (a === 0) || isBetween(a) - isBetween(b) || b - a);
  const kept = [];
  for (const value of wanted) {
    const x = axis.to(value) * width;
    if (kept.every((other) => Math.abs(axis.to(other) * width - x) > 44)) kept.push(value);
  }
  return kept;
  function isBetween(value) {
    return axis.logarithmic && value > 0 && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) > 1e-9 ? 1 : 0;
  }
}

function draw(tag, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

function curvePath(images, values, x, y) {
  let path = "", pen = false;
  for (let i = 0; i < images.length; i++) {
    if (values[i] === null) { pen = false; continue; }
    path += (pen ? "L" : "M") + x(images[i]).toFixed(1) + " " + y(values[i]).toFixed(1);
    pen = true;
  }
  return path;
}

// The loss plot's range: all smoothed values, and of the raw ones all but the odd spike.
function lossRange(runs) {
  const raw = runs.flatMap((r) => [...r.curves.loss_g, ...r.curves.loss_d]).filter((v) => v !== null).sort((a, b) => a - b);
  if (!raw.length) return [0, 1];
  const smooth = runs.flatMap((r) => [...r.smoothed.loss_g, ...r.smoothed.loss_d]).filter((v) => v !== null);
  const high = Math.max(raw[Math.floor((raw.length - 1) * 0.99)], smooth.reduce((a, b) => Math.max(a, b), -Infinity));
  const low = Math.min(0, raw[0]);
  return [low, high > low ? low + (high - low) * 1.06 : low + 1];
}

// Draws everything that does not move with the cursor; answers where things are.
function drawPlot(svg, runs, axis, width, height) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  const inner = width - PLOT.left - PLOT.right;
  const x = (images) => PLOT.left + axis.to(images) * inner;
  const free = height - PLOT.events - 2 * PLOT.legend - PLOT.ticks - PLOT.labels;
  const lossTop = PLOT.events + PLOT.legend, lossBottom = lossTop + free * 0.54;
  const scoreTop = lossBottom + PLOT.legend, scoreBottom = lossTop + free + PLOT.legend;
  const [low, high] = lossRange(runs);
  const plots = [
    { top: lossTop, bottom: lossBottom, low, high, step: roundStep(high - low, 4), columns: ["loss_g", "loss_d"] },
    { top: scoreTop, bottom: scoreBottom, low: 0, high: 1, step: 0.5, columns: ["d_fake", "d_real"] },
  ];
  for (const value of timeTicks(axis, inner)) {
    draw("line", { class: "grid", x1: x(value), x2: x(value), y1: lossTop, y2: scoreBottom }, svg);
    draw("text", { class: "tick", x: x(value), y: height - 5, "text-anchor": value ? "middle" : "start" }, svg, compact(value));
  }
  for (const [number, plot] of plots.entries()) {
    const y = (value) => plot.bottom - ((Math.min(plot.high, Math.max(plot.low, value)) - plot.low) / (plot.high - plot.low)) * (plot.bottom - plot.top);
    for (let value = Math.ceil(plot.low / plot.step) * plot.step; value <= plot.high + 1e-9; value += plot.step) {
      draw("line", { class: "grid" + (number && value === 0.5 ? " even" : ""), x1: PLOT.left, x2: width - PLOT.right, y1: y(value), y2: y(value) }, svg);
      draw("text", { class: "tick", x: PLOT.left - 7, y: y(value) + 4, "text-anchor": "end" }, svg, +value.toPrecision(3));
    }
    runs.forEach((run, slot) => {
      for (const column of plot.columns) {
        if (run.window > 1 && runs.length === 1) {
          draw("path", { class: "raw " + column, d: curvePath(run.images, run.curves[column], x, y) }, svg);
        }
        draw("path", { class: "curve " + column + " run" + slot, d: curvePath(run.images, run.smoothed[column], x, y) }, svg);
      }
    });
    plot.y = y;
  }
  runs.forEach((run, slot) => {
    for (const [, images] of run.sheets) {
      const top = scoreBottom + 3 + slot * 5;
      draw("line", { class: "sheet-mark run" + slot, x1: x(images), x2: x(images), y1: top, y2: top + 5 }, svg);
    }
    for (const [images, text] of run.events) {
      const mark = draw("g", { class: "event-mark", transform: "translate(" + x(images).toFixed(1) + " 11)" }, svg);
      draw("line", { x1: 0, x2: 0, y1: 6, y2: scoreBottom - 11 }, mark);
      draw("path", { d: "M0-6L6 0 0 6-6 0z" }, mark);
      draw("title", {}, mark, images.toLocaleString("en") + " images: " + text);
    }
  });
  return { x, plots, inner, scoreTop, lossTop, bottom: scoreBottom };
}
