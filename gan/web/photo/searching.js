// The search for a photo's face: in this browser where it draws, so that the photo does not leave it, else by the
// server. Either way the viewer is told the same, a few times a second: {step, steps, picture: address of the best up to
// now, target: address of what the model is shown, psnr: dB at the beginning and after each step, features: the
// distances likewise, state: the best as JSON, note}, or {problem}.
import { draws, drawn } from "../engine/choosing.js";
import { toPixels } from "../engine/pixels.js";
import { faceOf } from "../latent/face.js";
import { fitted } from "../latent/fitting.js";
import { descend } from "../latent/search.js";
import { smoothAddress } from "../shared/painting.js";
import { buildWork } from "../shared/working.js";

const TOLD = 150; // milliseconds between two tellings
const NETWORKS = ["encoder", "classifier", "search"];
const FAILED = "This browser could not look for this face.";
const NEXT = " Press again, and the server does it: then the square that you chose is sent.";
const noEncoder = (candidates) =>
  `This model has nothing that guesses a face at once (no encoder of its own), so the search begins at the nearest of ${candidates} random faces.`;

// told: is called with what is told of a search here; silent: after a long silence of the server.
export function buildSearch(trigger, { told, silent }) {
  const work = buildWork(trigger, "find", silent);
  let here = null; // what stands for the search in this browser, while one is under way

  async function searchHere(model, { pixels, side }) {
    const mine = {};
    here = mine;
    const look = (engine) =>
      search(
        engine,
        model,
        pixels,
        side,
        (news) => here === mine && told(news),
        () => here !== mine,
      );
    const failed = await drawn(model, look, () => ({ problem: draws(model) ? FAILED : FAILED + NEXT }));
    if (here === mine && failed) told(failed);
  }

  return {
    get isRunning() {
      return work.isRunning || here !== null;
    },
    get isHere() {
      return here !== null;
    },
    // crop: see crop.js.
    begin(model, crop) {
      if (draws(model)) searchHere(model, crop.pixels());
      else work.begin({ model, content: crop.content() });
    },
    hears: (news) => work.hears(news),
    end() {
      work.end();
      here = null;
    },
    giveUp() {
      work.giveUp();
      here = null;
    },
  };
}

// So that a search begins at once when it is wanted.
export function makeReady(model) {
  const nothing = () => null;
  if (draws(model)) drawn(model, (engine) => engine.make(model, NETWORKS), nothing);
}

async function search(engine, name, pixels, side, tell, isOver) {
  const model = await engine.open(name);
  const { image_size: size, channels, z_dim } = model;
  const shapes = { z: [z_dim], picture: [channels, size, size], target: [channels, size, size] };
  const run = async (network, inputs) => {
    const given = Object.entries(inputs).map(([key, data]) => {
      const shape = shapes[key] ?? [data.length / (inputs.z.length / z_dim)];
      const many = shape.reduce((one, other) => one * other, 1);
      return [key, { data, dims: [data.length / many, ...shape] }];
    });
    const found = await engine.run(name, network, Object.fromEntries(given));
    return Object.fromEntries(Object.entries(found).map(([key, { data }]) => [key, data]));
  };
  const target = fitted(pixels, side, model);
  const address = (picture) => smoothAddress(toPixels(picture, [1, channels, size]), size);
  const always = {
    target: address(target),
    note: model.networks.encoder ? "" : noEncoder(model.search.candidates),
  };
  const psnr = [];
  const features = [];
  let last = 0;
  for await (const { step, steps, z, picture, ...near } of descend(model, target, run)) {
    if (isOver()) return;
    psnr.push(near.psnr);
    features.push(near.distance);
    const now = performance.now();
    if (step > 0 && step < steps && now - last < TOLD) continue;
    last = now;
    tell({
      ...always,
      step,
      steps,
      picture: address(picture),
      psnr: [...psnr],
      features: [...features],
      state: JSON.stringify(faceOf(name, z)),
    });
  }
}
