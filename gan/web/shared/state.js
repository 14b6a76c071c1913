// The state of the page: one face, as Python's Face.to_json writes it: {model, seed, truncation, offsets, latent,
// directions, own, pad}. Nothing here changes a face; what moves something gives a new one.
const DECIMALS = 1000; // what is kept of a value, so that a link restores exactly what was shown

// What a model draws of a seed by itself.
export const plainFace = (model, seed) => {
  return { model, seed, truncation: 1, offsets: {}, latent: "", directions: {}, own: [] };
};

// A face with another value of what a key names, in the words of a link: "seed", "truncation", "z:3" the fourth number
// of z, "move:Smile" a direction, "move:~Hat" one of the visitor's own.
export function change(face, key, value) {
  if (key === "seed") return { ...face, seed: value, latent: "" };
  const kept = Math.round(value * DECIMALS) / DECIMALS;
  if (key === "truncation") return { ...face, truncation: kept };
  const place = key.startsWith("z:") ? "offsets" : "directions";
  const name = key.slice(key.indexOf(":") + 1);
  const { [name]: _, ...others } = face[place];
  return { ...face, [place]: kept === 0 ? others : { ...others, [name]: kept } };
}

// How many sliders are not at 0.
export const changes = (face) => Object.keys(face.offsets).length + Object.keys(face.directions).length;

// What a face has of what a key names.
export function given(face, key) {
  if (key === "seed" || key === "truncation") return face[key];
  const name = key.slice(key.indexOf(":") + 1);
  return face[key.startsWith("z:") ? "offsets" : "directions"][name] ?? 0;
}

// Where the base comes from, in words.
export const origin = (face) => (face.latent ? "a latent of its own" : `seed ${face.seed}`);

// What follows a link's "?": model=faces64&seed=7&truncation=0.8&move=Smile:1.5&z=3:0.5,17:-1.25
export function toQuery(face) {
  const values = {
    model: face.model,
    seed: String(face.seed),
    truncation: String(face.truncation),
    latent: face.latent,
    move: moves(face.directions, byName),
    z: moves(face.offsets, byNumber),
    own: face.own.map((direction) => ownText(direction, face.model)).join(","),
    pad: face.pad.join(","),
  };
  const given = Object.entries(values).filter(([, value]) => value !== "");
  return given.map(([key, value]) => `${key}=${quoted(value)}`).join("&");
}

const byNumber = ([one], [other]) => one - other;
const byName = ([one], [other]) => (one < other ? -1 : 1);

const moves = (values, order) =>
  Object.entries(values)
    .sort(order)
    .map((pair) => pair.join(":"))
    .join(",");

function ownText({ name, model, has, lacks }, current) {
  const parts = [name, has.join("."), lacks.join(".")];
  if (model !== current) parts.push(strict(model));
  return parts.join(":");
}

// All but letters, digits and -_.~ as Python's urllib.parse.quote writes it.
const strict = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const quoted = (text) =>
  strict(text).replace(/%(20|2F|3A|2C)/g, (code) => ({ "%20": "+", "%2F": "/", "%3A": ":", "%2C": "," })[code]);

// Whether two faces are one, in whatever order their values stand.
export function same(one, other) {
  const sorted = (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(byName))
      : value;
  return JSON.stringify(one, sorted) === JSON.stringify(other, sorted);
}
