// A face in words: for the picture's alternative text, and for what a screen reader is told.
import { origin } from "./state.js";

const MOST = 6; // moved sliders that are named
const OWN = /^~/; // begins the key of one of the visitor's own directions
const titles = new Map(); // of models

export const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}`;

// What a slider is called, by its key, as a link has it.
export function nameOf(key) {
  if (key === "truncation") return "Truncation";
  return key.startsWith("z:") ? `z ${key.slice(2)}` : key.slice("move:".length).replace(OWN, "");
}

// Where a slider stands: "Smile +1.5".
export const stand = (key, value) => `${nameOf(key)} ${key === "truncation" ? value : signed(value)}`;

// Each slider that is not at 0: its key, its name and its value.
export const moved = (face) =>
  [
    ...Object.entries(face.directions).map(([name, value]) => ({ key: `move:${name}`, value })),
    ...Object.entries(face.offsets).map(([dimension, value]) => ({ key: `z:${dimension}`, value })),
  ].map(({ key, value }) => ({ key, name: nameOf(key), value }));
const values = (face) => new Map(moved(face).map(({ name, value }) => [name, value]));

function listed(parts) {
  const left = parts.length - MOST;
  return parts.slice(0, MOST).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

// What people call a model, from now on.
export const entitle = (model, title) => titles.set(model, title);
export const entitled = (model) => titles.get(model) ?? model;

// The whole face; what: is to be seen in it, where that is known.
export function describe(face, what = "") {
  const parts = moved(face).map(({ name, value }) => `${name} ${signed(value)}`);
  if (face.truncation !== 1) parts.unshift(`truncation ${face.truncation}`);
  const title = entitled(face.model);
  const base = `${what ? `${what},` : "picture"} drawn by ${title}${title.includes(",") ? "," : ""} from ${origin(face)}`;
  return `${base[0].toUpperCase()}${base.slice(1)}${parts.length ? `: ${listed(parts)}` : ""}`;
}

// What another face has that is new: "Smile +2"; "" for nothing. Of another model or seed it is the whole face.
export function news(before, face) {
  if (before.model !== face.model || before.seed !== face.seed || before.latent !== face.latent) return describe(face);
  const [was, is] = [values(before), values(face)];
  const names = [...new Set([...is.keys(), ...was.keys()])].filter((name) => was.get(name) !== is.get(name));
  if (names.length > 1 && !is.size) return "All sliders at 0";
  const parts = names.map((name) => `${name} ${signed(is.get(name) ?? 0)}`);
  if (before.truncation !== face.truncation) parts.unshift(`Truncation ${face.truncation}`);
  return listed(parts);
}
