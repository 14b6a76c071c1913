// A face out of a file or a link that a stranger made: each value is checked, as gan/ui/state.py and gan/ui/values.py
// do it, or refused in a sentence.
import { FaceError } from "../latent/face.js";
import { decodeLatent, encodeLatent } from "../latent/numbers.js";
import { OWN } from "../latent/own.js";

export const MAX_SEED = 2 ** 32 - 1;
const MAX_TRUNCATION = 1.5;
const MAX_OFFSET = 3;
const MAX_DIRECTION = 3;
const MAX_DIMENSIONS = 1024;
const MAX_MOVED = 64; // directions
const MAX_OWN = 4;
const MAX_MARKED = 32; // faces in each of the lists of an own direction
const MAX_MODEL = 200; // characters
const MAX_NAME = 40;
const MAX_TEXT = 40_000;
const NAMED = /^[\p{L}\p{M}\p{N}'/()-]$/u; // what of a text can name a direction

// The face that a text holds as JSON, as Python's Face.to_json writes it. Throws FaceError.
export function readFace(text) {
  if (typeof text !== "string" || text.length > MAX_TEXT)
    throw new FaceError(`no state of this page: expected JSON of at most ${MAX_TEXT.toLocaleString("en")} characters`);
  let values;
  try {
    values = JSON.parse(text);
  } catch {
    throw new FaceError("no state of this page: expected JSON with model, seed, truncation, offsets");
  }
  return checkedFace(values);
}

// A face of values of any kind: {model, seed, truncation}, and where there are some offsets, latent, directions, own, pad.
export function checkedFace(values) {
  if (!isObject(values) || !["model", "seed", "truncation"].every((key) => key in values))
    throw new FaceError("no state of this page: expected model, seed and truncation");
  const { model, seed, truncation, offsets = {}, latent = "", directions = {}, own = [], pad = [] } = values;
  return {
    model: checkedModel(model),
    seed: whole("seed", seed, 0, MAX_SEED),
    truncation: number("truncation", truncation, 0, MAX_TRUNCATION),
    offsets: checkedOffsets(offsets),
    latent: latent === "" ? "" : checkedLatent(latent),
    directions: checkedDirections(directions),
    own: checkedOwn(own),
    pad: checkedPad(pad),
  };
}

function checkedModel(model) {
  if (typeof model !== "string" || !model || [...model].length > MAX_MODEL || /\p{Surrogate}/u.test(model))
    throw new FaceError(`model ${short(model)}: expected the name of a model, 1 to ${MAX_MODEL} characters`);
  return model;
}

function checkedOffsets(offsets) {
  if (!isObject(offsets)) throw new FaceError('offsets: expected dimensions and values, like {"3": 0.5, "17": -1.25}');
  const pairs = Object.entries(offsets).map(([key, value]) => {
    if (!/^\d{1,12}$/.test(key)) throw new FaceError(`dimension ${short(key)}: expected a whole number of 0 or more`);
    return [whole("dimension", Number(key), 0, MAX_DIMENSIONS - 1), number("offset", value, -MAX_OFFSET, MAX_OFFSET)];
  });
  return Object.fromEntries(pairs.filter(([, value]) => value));
}

function checkedLatent(text) {
  try {
    return encodeLatent(decodeLatent(text));
  } catch {
    throw new FaceError(
      `latent ${short(text)}: expected 1 to ${MAX_DIMENSIONS} float16 numbers from -10 to 10 as base64url`,
    );
  }
}

function checkedDirections(directions) {
  if (!isObject(directions)) throw new FaceError('directions: expected names and values, like {"Smile": 1.5}');
  const pairs = Object.entries(directions).map(([name, value]) => {
    if (!isName(name)) throw new FaceError(`direction ${short(name)}: expected its name`);
    return [name, number(`direction ${name}:`, value, -MAX_DIRECTION, MAX_DIRECTION)];
  });
  if (pairs.length > MAX_MOVED) throw new FaceError(`${pairs.length} directions: expected at most ${MAX_MOVED}`);
  return Object.fromEntries(pairs.filter(([, value]) => value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function checkedOwn(own) {
  if (!Array.isArray(own)) throw new FaceError("own directions: expected a list");
  if (own.length > MAX_OWN)
    throw new FaceError(`${own.length} own directions: expected at most ${MAX_OWN}; remove one first`);
  const found = own.map(checkedDirection);
  if (new Set(found.map(({ model, name }) => JSON.stringify([model, name]))).size < found.length)
    throw new FaceError("two own directions of one name: give the new one another name");
  return found;
}

function checkedPad(pad) {
  const isPair = Array.isArray(pad) && pad.length === 2 && pad[0] !== pad[1] && pad.every(isSlider);
  if (!isPair && !(Array.isArray(pad) && !pad.length))
    throw new FaceError(`pad ${short(pad)}: expected two sliders, like move:Smile and z:3`);
  return pad;
}

function isSlider(key) {
  if (typeof key !== "string") return false;
  if (key.startsWith("z:")) return /^z:(0|[1-9]\d{0,4})$/.test(key) && Number(key.slice(2)) < MAX_DIMENSIONS;
  return key === "truncation" || (key.startsWith("move:") && isName(key.slice("move:".length)));
}

// One that a visitor made: {name, model, has, lacks}, seeds in order.
export function checkedDirection(given) {
  if (!isObject(given)) throw new FaceError("own direction: expected name, model, has and lacks");
  const direction = {
    name: cleanName(given.name),
    model: checkedModel(given.model),
    has: seeds("faces with the property", given.has),
    lacks: seeds("faces without the property", given.lacks),
  };
  const both = direction.has.find((seed) => direction.lacks.includes(seed));
  if (both !== undefined)
    throw new FaceError(`seed ${both} is marked both ways: expected different faces in the two lists`);
  return direction;
}

function seeds(what, given) {
  if (!Array.isArray(given) || !given.length || given.length > MAX_MARKED)
    throw new FaceError(`${what}: expected 1 to ${MAX_MARKED} seeds`);
  return [...new Set(given.map((seed) => whole("seed", seed, 0, MAX_SEED)))].sort((one, other) => one - other);
}

// Whether a text is what a direction is called, with the mark of an own one.
function isName(text) {
  const bare = text.startsWith(OWN) ? text.slice(OWN.length) : text;
  return /[\p{L}\p{N}]/u.test(bare) && cleanName(bare) === bare;
}

// What of a text can name a direction.
export function cleanName(text) {
  if (typeof text !== "string") throw new FaceError(`name ${short(text)}: expected text`);
  const characters = [
    ...[...text]
      .slice(0, 4 * MAX_NAME)
      .join("")
      .normalize("NFC"),
  ];
  const words = characters
    .map((one) => (NAMED.test(one) ? one : " "))
    .join("")
    .split(" ")
    .filter(Boolean);
  const name = [...words.join(" ")].slice(0, MAX_NAME).join("").trim();
  if (!/[\p{L}\p{N}]/u.test(name)) throw new FaceError(`name ${short(text)}: expected letters or digits`);
  return name;
}

export function whole(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new FaceError(`${name} ${short(value)}: expected a whole number from ${low} to ${high}`);
  return value;
}

// Rounded to what a link keeps.
export function number(name, value, low, high) {
  if (typeof value !== "number" || !(low <= value && value <= high))
    throw new FaceError(`${name} ${short(value)}: expected a number from ${low} to ${high}`);
  return Math.round(value * 1000) / 1000 + 0; // no -0
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Of what a stranger sent, as much as a sentence can show.
function short(value) {
  const text = typeof value === "string" ? `'${value}'` : String(JSON.stringify(value));
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}
