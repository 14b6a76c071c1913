// What a classifier sees in a picture, in words. No DOM.
//
// seen: {labels, probabilities, exclusive}: whether the labels exclude each other, as digits do.

// Of CelebA's labels those that are told, and how; `slider`: whose own label it is, in gan/latent/attributes.py; `flip`:
// the label says that it is not there; `other`: what its absence is called. No judgements (attractive, chubby ...).
export const TOLD = {
  Smiling: { name: "Smile", slider: "Smile" },
  Mouth_Slightly_Open: { name: "Open mouth", slider: "Open mouth" },
  Male: { name: "Man", other: "Woman", slider: "Woman to man" },
  Young: { name: "Young", other: "Older", slider: "Age" },
  Eyeglasses: { name: "Glasses", slider: "Glasses" },
  No_Beard: { name: "Beard", flip: true, slider: "Beard" },
  Heavy_Makeup: { name: "Make-up", slider: "Make-up" },
  Wearing_Hat: { name: "Hat", slider: "Hat" },
  Blond_Hair: { name: "Blond hair", slider: "Blond hair" },
  Brown_Hair: { name: "Brown hair", slider: "Brown hair" },
  Black_Hair: { name: "Black hair", slider: "Black hair" },
  Gray_Hair: { name: "Gray hair", slider: "Gray hair" },
  Bangs: { name: "Bangs", slider: "Bangs" },
  Wavy_Hair: { name: "Wavy hair", slider: "Wavy hair" },
  Receding_Hairline: { name: "Receding hairline", slider: "Receding hairline" },
  Pale_Skin: { name: "Pale skin", slider: "Pale skin" },
  Straight_Hair: { name: "Straight hair" },
  Wearing_Lipstick: { name: "Lipstick" },
  Wearing_Earrings: { name: "Earrings" },
  Bald: { name: "Bald" },
  Mustache: { name: "Mustache" },
  Rosy_Cheeks: { name: "Rosy cheeks" },
  High_Cheekbones: { name: "High cheekbones" },
  Arched_Eyebrows: { name: "Arched eyebrows" },
};
const LABELS = Object.fromEntries(Object.entries(TOLD).map(([label, { slider }]) => [slider, label])); // by slider
const HAIR = { Blond_Hair: "blond hair", Brown_Hair: "brown hair", Black_Hair: "black hair", Gray_Hair: "gray hair" };
const SURE = 0.9; // of a digit, above which it counts as recognised, as in gan/metrics/classifier.py
const UNDECIDED = [0.3, 0.7];
const LEAST = 0.1; // of a change of a probability that is told
const MOST_TOLD = 4; // attributes
const MOST_MOVED = 3; // changes

export const nothingSeen = "No classifier here knows such pictures.";
export const hint = "Move a slider, and here stands what else it moves.";

const round = (share) => Math.round(100 * share);
const percent = (share) => `${round(share)}\u00a0%`; // on one line

// The probability of each label that is told, by its name: of a beard, not of none.
function traits({ labels, probabilities, exclusive }) {
  const pairs = labels.map((label, at) => [label, probabilities[at]]);
  if (exclusive) return pairs.map(([label, share]) => ({ label, name: `digit ${label}`, share }));
  return pairs
    .filter(([label]) => label in TOLD)
    .map(([label, share]) => ({ label, ...TOLD[label], share: TOLD[label].flip ? 1 - share : share }));
}

const byShare = (one, other) => other.share - one.share;

// "a smiling woman with glasses and brown hair", "a 7".
export function inWords(seen) {
  if (seen.exclusive) return digit(seen);
  const shares = Object.fromEntries(traits(seen).map(({ label, share }) => [label, share]));
  const has = (label) => shares[label] > 0.5;
  const isOpen = !(shares.Male <= UNDECIDED[0] || shares.Male >= UNDECIDED[1]);
  const noun = isOpen ? "person" : has("Male") ? "man" : "woman";
  const before = [has("Smiling") && "smiling", shares.Young < UNDECIDED[0] && "older", has("Bald") && "bald"].filter(
    Boolean,
  );
  const hair = Object.keys(HAIR).reduce((one, other) => (shares[other] > shares[one] ? other : one));
  const parts = [
    has("Eyeglasses") && "glasses",
    has("No_Beard") && "a beard",
    has("Wearing_Hat") && "a hat",
    has(hair) && !has("Bald") && HAIR[hair],
  ].filter(Boolean);
  const article = before[0] === "older" ? "an" : "a";
  return `${[article, ...before, noun].join(" ")}${parts.length ? ` with ${listed(parts)}` : ""}`;
}

function digit(seen) {
  const [best, second] = traits(seen).sort(byShare);
  return best.share > SURE ? aDigit(best) : `perhaps ${aDigit(best)}, or ${aDigit(second)}`;
}

const aDigit = ({ label }) => `a${label === "8" ? "n" : ""} ${label}`;

// "The classifier sees a smiling woman: Woman 99 %, Young 97 %, Smile 91 %."
export function sees(seen) {
  const all = traits(seen).map((trait) =>
    trait.other && trait.share < 0.5 ? { name: trait.other, share: 1 - trait.share } : trait,
  );
  all.sort(byShare);
  const told = seen.exclusive
    ? all.filter(({ share }, at) => at < 2 && share >= 0.005).map((trait) => `${percent(trait.share)} ${aDigit(trait)}`)
    : all
        .filter(({ share }) => share > 0.5)
        .slice(0, MOST_TOLD)
        .map(({ name, share }) => `${name} ${percent(share)}`);
  return `The classifier sees ${inWords(seen)}${told.length ? `: ${told.join(", ")}` : ""}.`;
}

// What differs between two faces: [name, by how much] of each slider; null for different ones, of other seeds say.
export function changed(before, now) {
  const base = (face) => JSON.stringify([face.model, face.seed, face.latent]);
  if (base(before) !== base(now)) return null;
  const values = ({ directions, offsets, truncation }) => ({
    ...Object.fromEntries(Object.entries(directions).map(([name, value]) => [name.replace(/^~/, ""), value])),
    ...Object.fromEntries(Object.entries(offsets).map(([number, value]) => [`z ${number}`, value])),
    Truncation: truncation,
  });
  const [old, fresh] = [values(before), values(now)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])];
  return names.map((name) => [name, (fresh[name] ?? 0) - (old[name] ?? 0)]).filter(([, by]) => Math.abs(by) > 1e-6);
}

// "Smile +1 also moved High cheekbones 21 → 63 %." moves: of `changed`, at least one.
export function sideEffects(moves, before, now) {
  const own = new Set(moves.map(([name]) => ownLabel(name, now)));
  const old = new Map(traits(before).map(({ label, share }) => [label, share]));
  const others = traits(now)
    .map((trait) => ({ ...trait, by: trait.share - old.get(trait.label) }))
    .filter(({ label, by }) => !own.has(label) && Math.abs(by) >= LEAST)
    .sort((one, other) => Math.abs(other.by) - Math.abs(one.by))
    .slice(0, MOST_MOVED)
    .map(({ label, name, share }) => `${name} ${round(old.get(label))} → ${percent(share)}`);
  const [[name, by]] = moves;
  const what = moves.length > 1 ? "These sliders" : `${name} ${by > 0 ? "+" : "−"}${+Math.abs(by).toFixed(2)}`;
  const isNamed = [...own].some(Boolean);
  if (!others.length) return `${what} moved nothing${isNamed ? " else" : ""} that it knows.`;
  return `${what}${isNamed ? " also" : ""} moved ${others.join(", ")}.`;
}

// The label that a slider is there for; undefined for principal directions and the like.
const ownLabel = (slider, { exclusive }) => (exclusive ? slider.match(/^Digit (\d)$/)?.[1] : LABELS[slider]);

const listed = (parts) => (parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0]);
