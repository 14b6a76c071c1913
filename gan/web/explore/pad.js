// The pad: two sliders as a plane, with thumbnails of the faces that lie in it behind the point. The browser draws them
// where it draws the face, else the server does; the point itself moves the face as any slider does.
import { drawn } from "../engine/choosing.js";
import { pointOf } from "../engine/points.js";
import { ask as askServer } from "../shared/asking.js";
import { write } from "../shared/elements.js";
import { isHeld, onRelease } from "../shared/holding.js";
import { fill, html } from "../shared/html.js";
import { change, given, same } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";
import { moved, nameOf, stand } from "../shared/words.js";
import { keysInView } from "./controls.js";
import { faceAt, placeOf, planeOf, rangeOf, SIDE } from "./plane.js";
import { bases } from "./sliders.js";

const REST = 300; // milliseconds of a face that is not moved any more
const GRAIN = 0.01; // of what a pointer makes of a slider
const FINE = 1 / 5; // of a step, with Shift
const KEYS = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  PageUp: [0, 10],
  PageDown: [0, -10],
  Home: [-Infinity, 0],
  End: [Infinity, 0],
};
const TRUNCATION = { key: "truncation", label: "Truncation" };
const NONE = { sliders: {}, pictures: [] };

export function mount({ element, server }) {
  const find = (selector) => element.querySelector(selector);
  const [toggle, body, plane, thumbnails, point, stands] = [
    ".toggle",
    "#pad-open",
    ".plane",
    ".thumbnails",
    ".plane i",
    ".stands",
  ].map(find);
  const choices = [...element.querySelectorAll("select")];
  let face = null;
  let behind = null; // the face at the plane's centre, whose plane the thumbnails show, or will
  let isAsked = false;
  let offered = ""; // in the choices, as text
  let timer;

  const steer = (other, isDone = false) => tell("face-steered", { face: other, isDone });

  function show() {
    const isOpen = face.pad.length > 0;
    toggle.setAttribute("aria-expanded", String(isOpen));
    write(toggle, isOpen ? "Close the pad" : "Open the pad");
    body.hidden = !isOpen;
    if (!isOpen) {
      behind = null;
      return;
    }
    const [across, up] = face.pad;
    const says = face.pad.map((key) => stand(key, given(face, key)));
    const [x, y] = placeOf(face);
    point.style.setProperty("--x", x);
    point.style.setProperty("--y", y);
    write(stands, says.join(" · "));
    const { least, most } = rangeOf(across);
    for (const [name, value] of Object.entries({
      label: `${nameOf(across)} across, ${nameOf(up)} up`,
      valuemin: least,
      valuemax: most,
      valuenow: given(face, across),
      valuetext: says.join(", "),
    }))
      plane.setAttribute(`aria-${name}`, value);
    for (const [axis, choice] of choices.entries()) {
      if (![...choice.options].some(({ value }) => value === face.pad[axis])) offer({});
      choice.value = face.pad[axis];
    }
    renew();
  }

  // sliders: [{key, label}] of each kind.
  function offer(sliders) {
    const known = new Set(Object.values(sliders).flatMap((its) => its.map(({ key }) => key)));
    const others = face.pad.filter((key) => key !== TRUNCATION.key && !known.has(key));
    const plain = [TRUNCATION, ...others.map((key) => ({ key, label: nameOf(key) }))];
    const text = JSON.stringify([plain, sliders]);
    if (text === offered) return;
    offered = text;
    for (const [axis, choice] of choices.entries()) {
      fill(choice, [plain.map(option), ...Object.entries(sliders).map(group)]);
      choice.value = face.pad[axis];
    }
  }

  // The thumbnails are of another plane, perhaps.
  function renew() {
    clearTimeout(timer);
    const wanted = faceAt(face, [0.5, 0.5]);
    if (behind && same(behind, wanted)) return;
    const isAnother = !behind || behind.model !== wanted.model || !same(behind.pad, wanted.pad);
    if (isAnother) draw(wanted);
    else timer = setTimeout(() => isHeld() || draw(wanted), REST);
  }

  // One question at a time; of what is wanted meanwhile only the last is asked.
  async function draw(wanted) {
    behind = wanted;
    if (isAsked) return;
    isAsked = true;
    for (let asked = null; asked !== behind && behind; ) {
      asked = behind;
      const found = await drawn(
        asked.model,
        (engine) => planeBy(engine, asked),
        () => askServer(server, "pad", { face: JSON.stringify(asked) }),
      );
      if (asked !== behind) continue;
      if (found.problem) {
        behind = null; // what was there stays, and the next move asks again
        break;
      }
      const { sliders, pictures } = { ...NONE, ...found };
      offer(sliders);
      fill(thumbnails, pictures.map(thumbnail));
    }
    isAsked = false;
  }

  toggle.addEventListener("click", () => {
    if (face) steer({ ...face, pad: face.pad.length ? [] : begin() });
  });

  // The first two that are moved, or else in view.
  function begin() {
    const keys = new Set([...moved(face).map(({ key }) => key), ...keysInView(), TRUNCATION.key, "z:0"]);
    return [...keys].slice(0, 2);
  }

  for (const [axis, choice] of choices.entries())
    choice.addEventListener("change", () => {
      const pad = [...face.pad];
      const other = 1 - axis;
      if (pad[other] === choice.value) pad[other] = pad[axis]; // they change places
      pad[axis] = choice.value;
      steer({ ...face, pad });
    });

  // ---- the point ----------------------------------------------------------------------------------------------------

  let pointer = null; // that holds it

  // The thumbnails' own middles are where their faces are.
  function follow({ clientX, clientY }) {
    const { left, top, width, height } = plane.getBoundingClientRect();
    const inside = (share) => (share * SIDE - 0.5) / (SIDE - 1);
    steer(faceAt(face, [inside((clientX - left) / width), inside(1 - (clientY - top) / height)], GRAIN));
  }

  plane.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    event.preventDefault(); // of a drag of the pictures, and of selecting text
    plane.focus({ preventScroll: true });
    pointer = event.pointerId;
    plane.setPointerCapture(pointer);
    follow(event);
  });
  plane.addEventListener("pointermove", (event) => event.pointerId === pointer && follow(event));
  for (const end of ["pointerup", "pointercancel"])
    plane.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      steer(face, true);
    });
  plane.addEventListener("keydown", (event) => {
    const steps = KEYS[event.key];
    if (!steps || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const by = event.shiftKey && event.key.startsWith("Arrow") ? FINE : 1;
    const next = face.pad.reduce((other, key, axis) => {
      const { least, most, step } = rangeOf(key);
      const value = given(face, key) + (steps[axis] && by * steps[axis] * step);
      return change(other, key, Math.min(Math.max(value, least), most));
    }, face);
    steer(next);
  });
  plane.addEventListener("keyup", ({ key }) => key in KEYS && steer(face, true));

  listen("face-moved", (text) => {
    face = JSON.parse(text);
    show();
  });
  onRelease(() => face?.pad.length && renew());
}

async function planeBy(engine, face) {
  const facts = await engine.open(face.model);
  const points = [];
  for (const one of planeOf(face)) points.push(await pointOf(engine, one));
  const kinds = Object.entries(bases(face, facts)).map(([kind, pages]) => [kind, Object.values(pages).flat()]);
  const pictures = await engine.thumbnails(face.model, points);
  return { sliders: Object.fromEntries(kinds), pictures };
}

const option = ({ key, label }) => html`<option value="${key}">${label}</option>`;
const group = ([kind, sliders]) => html`<optgroup label="${kind}">${sliders.map(option)}</optgroup>`;
const thumbnail = (picture) => html`<img src="${picture}" alt="" draggable="false">`;
