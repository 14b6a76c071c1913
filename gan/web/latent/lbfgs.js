// Limited-memory BFGS with a preconditioner, as gan/latent/lbfgs.py walks for one problem: `asked` is where it looks next,
// `tell` says what is there.

// start: Float32Array; memory, longest, shortest, largest_z: of model.json. asked: a new Float32Array after each `tell`.
export function lbfgs(start, { memory, longest, shortest, largest_z: largest }) {
  const bounded = (numbers) => Float32Array.from(numbers, (one) => Math.min(Math.max(one, -largest), largest));
  const remembered = []; // {step, change, preconditioned: of the change, scale}
  const walk = { asked: bounded(start), tell };
  let best = null; // {z, loss, gradient, preconditioned: of the gradient}
  let share = 1;

  // What is at `asked`; NaN is worse than any loss. preconditioned: the gradient times the preconditioner.
  function tell({ loss: [loss], gradient, preconditioned }) {
    const begins = !best || Number.isNaN(best.loss);
    const falls = begins || loss < best.loss;
    if (falls && !begins) remember({ z: walk.asked, gradient, preconditioned });
    if (falls) best = { z: walk.asked, loss, gradient, preconditioned };
    share = falls ? 1 : Math.max(share / 2, shortest);
    const way = turned();
    const fits = share * Math.min(1, longest / Math.hypot(...way));
    walk.asked = bounded(way.map((one, at) => best.z[at] - fits * one));
  }

  // A step and the gradient's change along it, where that says that the slope grows.
  function remember(seen) {
    const step = minus(seen.z, best.z);
    const change = minus(seen.gradient, best.gradient);
    const product = dot(step, change);
    if (!(product > 0) || !change.every(Number.isFinite)) return;
    remembered.push({
      step,
      change,
      preconditioned: minus(seen.preconditioned, best.preconditioned),
      scale: 1 / product,
    });
    if (remembered.length > memory) remembered.shift();
  }

  // The gradient, turned by what is remembered of the curvature (the two-loop recursion).
  function turned() {
    const { z, gradient } = best;
    const free = (one, at) => (Math.abs(z[at]) < largest || z[at] * gradient[at] > 0 ? one : 0); // or it passes the bound
    const rest = Float64Array.from(gradient, free);
    const way = Float64Array.from(best.preconditioned, free);
    const shares = new Map();
    for (const { step, change, preconditioned, scale } of [...remembered].reverse()) {
      const part = scale * dot(step, rest);
      add(rest, -part, change);
      add(way, -part, preconditioned);
      shares.set(step, part);
    }
    const newest = remembered.at(-1);
    const gain = newest ? 1 / (newest.scale * dot(newest.change, newest.preconditioned)) : 1;
    for (let at = 0; at < way.length; at++) way[at] *= gain;
    for (const { step, change, scale } of remembered) add(way, shares.get(step) - scale * dot(change, way), step);
    return way.map(free);
  }

  return walk;
}

const minus = (a, b) => Float64Array.from(a, (one, at) => one - b[at]);

const dot = (a, b) => a.reduce((sum, one, at) => sum + one * b[at], 0);

function add(sum, times, other) {
  for (let at = 0; at < sum.length; at++) sum[at] += times * other[at];
}
