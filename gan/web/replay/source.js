// What a face's way through a run is made of: drawn by the generators that the run kept and last by its weights, or cut
// out of its sheets, which show seeds 0 to 63 as they are and at many more moments. No DOM.
import { changes, origin } from "../shared/state.js";
import { spread } from "./scale.js";

const SEEDS = 64; // of a sheet
const MOST = 12; // moments that are cut out: a row of 1,000 pixels
const FEW = 2; // generators: fewer tell less of a moved face than the sheets do of it untouched
const PICTURES = "the run kept its pictures of seeds 0 to 63";
const KEPT = `${PICTURES}, not its generators`;
const ONE = `${PICTURES}, and one of its generators`; // FEW - 1
const LAST = "Its last picture is as you set it";

// Of a run's sheets those that a strip shows. sheets: as replay_run gives them, without the damaged ones.
export const momentsOf = (sheets) => spread(sheets, MOST, ([, images]) => images);

// {from: "generators", "sheets" or "" for nothing, seed: in the sheets, generators: how many there are nevertheless, why:
// it is not Explore's face as it is}; why is "moved" (then the weights draw it as it is, last), "seed" (another one, or
// none), "numbers" (of a model that draws from others), "face" (there is none) or "".
//
// face: Explore's, null for none; latent: what its model draws from, "" if unknown; kept: a seed, or null for none;
// run: {name, latent, snapshots: how many, sheets}.
export function sourceOf({ face, latent, run, kept }) {
  const moments = momentsOf(run.sheets).length;
  const isLike = Boolean(face) && (face.model === run.name || (latent !== "" && latent === run.latent));
  const isThere = isLike && !face.latent && face.seed < SEEDS;
  const isMoved = isThere && (changes(face) > 0 || face.truncation !== 1);
  const isBetterCut = isThere && moments > run.snapshots && (!isMoved || run.snapshots < FEW);
  if (run.snapshots && (isLike || !moments) && !isBetterCut) return { from: "generators" };
  if (!moments) return { from: "" };
  if (isThere) return { from: "sheets", seed: face.seed, generators: run.snapshots, why: isMoved ? "moved" : "" };
  return { from: "sheets", seed: kept ?? 0, why: !face ? "face" : isLike ? "seed" : "numbers" };
}

// What the button and the sentence about it say: {label: "" where there is nothing, before, after: it was pressed}.
// kind: "face" or "digit"; title: gives what people call a model; isTraining: more is to come.
export function wordsOf({ from, seed, generators, why }, { face, kind, title, isTraining }) {
  const both = (label, sentence) => ({ label, before: sentence, after: sentence });
  if (!from && isTraining) return both("", "This run has no sheet yet: its first comes by itself.");
  if (!from) return both("", "This run kept neither sheets nor generators while it learned: choose another run.");
  const label = `Draw the ${kind} from Explore`;
  if (!why) return both(label, `The ${kind} you set in Explore, as this run drew it while it learned.`);
  if (why === "moved") return both(label, `Seed ${seed}${untouched(face)}: ${generators ? ONE : KEPT}. ${LAST}.`);
  const reason = {
    face: `There is no ${kind} in Explore yet`,
    seed: `Explore shows ${face && origin(face)}, and ${KEPT}`,
    numbers: `Explore shows a picture of ${face && title(face.model)}, and this run draws from other numbers`,
  }[why];
  return {
    label: `Show seed ${seed}`,
    before: `${reason}: show seed ${seed}, or another that you click in the sheet.`,
    after: `Seed ${seed}. ${reason}.`,
  };
}

function untouched(face) {
  const truncation = face.truncation === 1 ? "" : ` at truncation 1 instead of ${face.truncation}`;
  return truncation + (changes(face) ? `${truncation && ","} with its sliders at 0` : "");
}
