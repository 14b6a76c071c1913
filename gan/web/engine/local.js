// An engine (see server.js) that draws in the visitor's own browser: here its side in the page, which asks worker.js.
// What a base address must have under it, as `python -m gan site` writes it and gan/ui/browser_files.py serves it:
//   runtime.json                 {module, wasm: {address, bytes, packed, integrity}}, addresses relative to it
//   models/NAME/model.json       and the files that it names
//   detector.json                {network, licence}: likewise, of what finds faces in photos; {} where there is none
// Each may be answered by 204, No Content: it is not there, or with Retry-After not there yet.
import { FaceError, latentOf } from "../latent/face.js";
import { readModel } from "../latent/model.js";
import { isMeasured } from "../latent/own.js";
import { pointOf } from "./points.js";

const MOST_MODELS = 2; // whose sessions are kept: a phone's browser ends pages that hold too much
const PATIENCE = 5; // seconds without an answer after which a worker is taken for dead
const PICTURE = 0.5; // more of them, for each picture that was asked for
const LONG = 600; // likewise, of what is fetched
const SELDOM = 400; // milliseconds between two scores while pictures follow each other: they matter more
const REST = 100; // milliseconds after which no picture follows the last

// A model that cannot be drawn here (yet); `again`: seconds after which it may be, or 0.
export class NotHere extends Error {
  constructor(address, again) {
    super(`${address} is not there`);
    this.again = again;
  }
}

// All that draws rejects where the worker fails. Points are {z: Float32Array(z_dim), psi}, as `latentOf` gives them.
export function localEngine(base) {
  const pending = new Map(); // number of a question -> {resolve, reject, told, timer}
  // model -> {facts: promise, model: what it gave, once it has, busy: how many questions, judges: whether its critic was
  // asked for}, the one asked last at its end
  const opened = new Map();
  let asked = 0;
  let drawings = 0; // how many were asked for
  let judged = 0; // when the critic was asked last
  let worker = null;
  let runtime = null; // promise

  function end(reason) {
    worker?.terminate();
    worker = runtime = null;
    opened.clear();
    for (const { reject, timer } of pending.values()) {
      clearTimeout(timer);
      reject(new Error(reason));
    }
    pending.clear();
  }

  function start() {
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = (event) => {
      event.preventDefault();
      end(event.message || "its worker did not start");
    };
    worker.onmessageerror = () => end("its worker's answer cannot be read");
    worker.onmessage = ({ data: { number, answer, problem, told } }) => {
      const question = pending.get(number);
      if (!question) return;
      if (told) return question.told(told);
      pending.delete(number);
      clearTimeout(question.timer);
      if (problem === undefined) question.resolve(answer);
      else question.reject(new Error(problem));
    };
  }

  function question(name, asks, seconds, told = () => {}) {
    if (!worker) start();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(`its worker gave no answer for ${seconds} seconds`), 1000 * seconds);
      pending.set(++asked, { resolve, reject, told, timer });
      worker.postMessage({ number: asked, name, asked: asks });
    });
  }

  // told: is called with {come, all}, bytes of what is fetched.
  async function load(name, told) {
    const at = new URL(`models/${encodeURIComponent(name)}/model.json`, base);
    const [facts, begun] = await Promise.all([json(at), runtime ? null : json(new URL("runtime.json", base))]);
    const model = readModel(facts);
    const files = filesOf(facts, at);
    const parts = [...Object.values(begun ?? {}), files.generator];
    const come = new Map();
    const tell = (news) => {
      come.set(news.address, news.come);
      told({ come: sum([...come.values()]), all: sum(parts.map((file) => file.packed ?? file.bytes)) });
    };
    if (!runtime) runtime = question("begin", { ...begun, cores: navigator.hardwareConcurrency }, LONG, tell);
    await Promise.all([runtime, question("open", { model: name, files, first: ["generator"] }, LONG, tell)]);
    return model;
  }

  function begin(name, told) {
    const known = { facts: load(name, told), model: null, busy: 0, judges: false };
    known.facts.then(
      (model) => {
        known.model = model;
      },
      () => opened.get(name) === known && opened.delete(name),
    );
    return known;
  }

  function open(name, told = () => {}) {
    const known = opened.get(name) ?? begin(name, told);
    opened.delete(name);
    opened.set(name, known);
    for (const [other, { busy }] of opened)
      if (opened.size > MOST_MODELS && other !== name && !busy) {
        opened.delete(other);
        question("close", { model: other }, PATIENCE).catch(console.warn);
      }
    return known;
  }

  // What `work` gives of a model that stays open meanwhile. It begins at once where the model is there: a move is on its
  // way to the worker before the page does anything else with it.
  async function using(name, work) {
    const known = open(name);
    known.busy++;
    try {
      return await work(known.model ?? (await known.facts), known);
    } finally {
      known.busy--;
    }
  }

  // What the critic says of the picture that was drawn last, whose number is given: its score, or undefined where another
  // picture is being drawn by then. The critic is fetched when the first picture to judge has been on the page for a while.
  function scoreOf(name, number) {
    return using(name, async (_, known) => {
      if (!known.judges) await new Promise((rested) => setTimeout(rested, REST));
      known.judges = true;
      await question("make", { model: name, networks: ["critic"] }, LONG); // a move that waits is on its way by then
      // Right after a picture or once they rest: in between, the next move would come while the critic is at work.
      if (performance.now() < judged + SELDOM) await new Promise((rested) => setTimeout(rested, REST));
      if (number !== drawings) return undefined;
      judged = performance.now();
      return question("judge", {}, PATIENCE);
    });
  }

  const many = (name, network, points, does) => {
    const z = new Float32Array(points.length * points[0].z.length);
    points.forEach((point, at) => {
      z.set(point.z, at * point.z.length);
    });
    const asks = { model: name, network, z, psi: points.map(({ psi }) => psi) };
    return using(name, () => question(does, asks, PATIENCE + PICTURE * points.length));
  };

  const engine = {
    // A model's facts, as `readModel` gives them, after which it can be drawn. Rejects with NotHere.
    open: (name, told) => open(name, told).facts,
    async draw(face, smooth) {
      return using(face.model, async (model) => {
        try {
          const point = isMeasured(face, model) ? latentOf(face, model) : await pointOf(engine, face);
          const asks = { model: face.model, smooth, ...point };
          const number = ++drawings;
          const { pixels, size, milliseconds } = await question("draw", asks, PATIENCE);
          const about = {
            size: model.image_size,
            numbers: model.z_dim,
            training: false,
            distribution: model.z_distribution,
          };
          const drawn = { picture: new ImageData(pixels, size, size), milliseconds, about };
          if (!model.networks.critic) return { ...drawn, score: null };
          const later = scoreOf(face.model, number);
          later.catch(console.warn);
          return { ...drawn, later };
        } catch (error) {
          if (error instanceof FaceError) return { notice: error.message };
          throw error;
        }
      });
    },
    // {pixels: Uint8ClampedArray, RGBA, a picture after another, size}; snapshot: of a run, its number.
    pictures: (name, points, snapshot) =>
      many(name, snapshot === undefined ? "generator" : `snapshot-${snapshot}`, points, "pictures"),
    // Small lossy pictures as an <img> takes them.
    thumbnails: (name, points) => many(name, "generator", points, "thumbnails"),
    // Any of a model's networks: inputs and outputs are {name: {data: Float32Array, dims}}.
    run: (name, network, inputs) => using(name, () => question("run", { model: name, network, inputs }, LONG)),
    // What a JSON file says that lies under the base; addresses in it are whole ones.
    told: (address) => json(new URL(address, base)),
    // A network that is no model's, beside one that is open; file: {address, bytes, integrity}.
    runFile: (name, file, inputs) => using(name, () => question("runFile", { file, inputs }, LONG)),
    // Makes networks ready before they are run.
    make: (name, networks) => using(name, () => question("make", { model: name, networks }, LONG)),
    end: () => end("it was ended"),
  };
  return engine;
}

const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

async function json(address) {
  const response = await fetch(address, { cache: "no-cache" });
  if (response.status === 204) throw new NotHere(address, Number(response.headers.get("retry-after")));
  if (!response.ok) throw new Error(`${address} was not sent: status ${response.status}`);
  const found = await response.json();
  for (const file of Object.values(found)) if (file?.address) file.address = new URL(file.address, address).href;
  return found;
}

// All files of a model, by the network that is in them; a snapshot's is "snapshot-12".
function filesOf({ networks, snapshots }, at) {
  const file = ({ file, bytes, integrity }, more) => ({ address: new URL(file, at).href, bytes, integrity, ...more });
  const plain = Object.entries(networks).map(([network, told]) => [network, file(told)]);
  const kept = snapshots?.files ?? [];
  const places = snapshots?.places;
  return Object.fromEntries([...plain, ...kept.map((told) => [`snapshot-${told.number}`, file(told, { places })])]);
}
