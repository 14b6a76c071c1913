// Where the critic's mark of a picture lies among others' marks. No DOM.

const known = new Map(); // by model

// From now on; marks: {generated, real}, quantiles of each, {} where they are not known.
export const knowMarks = (model, marks) => known.set(model, marks);

// quantiles: of the others, evenly spaced, the least first; gives the share of them that lies below, 0 to 1.
export function shareBelow(quantiles, mark) {
  const above = quantiles.findIndex((quantile) => quantile > mark);
  if (above < 1) return above + 1 ? 0 : 1;
  const [low, high] = quantiles.slice(above - 1, above + 1);
  return (above - 1 + (mark - low) / (high - low)) / (quantiles.length - 1);
}

// {before, percent, after}: what stands under a model's picture.
export function standing(model, mark) {
  const marks = known.get(model);
  const percent = (share) => `${Math.round(100 * share)} %`;
  if (typeof mark !== "number") return { before: "", percent: "… %", after: "" }; // the critic is on its way
  if (!marks?.real) return { before: "", percent: percent(mark), after: " sure that it is a real picture" };
  const [own, real] = [marks.generated, marks.real].map((quantiles) => percent(shareBelow(quantiles, mark)));
  return { before: "above ", percent: own, after: ` of its own, ${real} of real` };
}
