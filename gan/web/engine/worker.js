// Runs a model's networks on onnxruntime-web, away from the page's own thread. Asked by local.js: a message
// {number, name, asked} is answered by {number, answer} or {number, problem}, after any number of {number, told}.
import { fetched } from "./fetching.js";
import { doubled, toPixels } from "./pixels.js";
import { started } from "./runtime.js";

const AT_ONCE = 4; // pictures of many, between which others are let by
const JPEG = { type: "image/jpeg", quality: 0.88 };
const models = new Map(); // name -> {files, sessions: Map of a network's name -> promise of its session}
let runtime; // promise of onnxruntime-web
let drawn = null; // {model, picture}: what `draw` gave last, for the critic

const functions = {
  begin({ module, wasm, cores }, tell) {
    runtime = started(module, wasm, cores, (file) => telling(file, tell));
    return runtime.then(() => null);
  },
  // files: {network: file, ...}; first: the networks that are made ready.
  async open({ model, files, first }, tell) {
    models.set(model, { files, sessions: new Map() });
    await Promise.all(first.map((network) => session(model, network, tell)));
  },
  async close({ model }) {
    const closed = models.get(model);
    models.delete(model);
    for (const one of closed.sessions.values()) await release(one);
  },
  // Those of the networks that the model has.
  async make({ model, networks }) {
    const { files } = models.get(model);
    await Promise.all(networks.filter((network) => files[network]).map((network) => session(model, network)));
    return null;
  },
  run: ({ model, network, inputs }) => run(model, network, inputs),
  // A network that is no model's: fetched when it is run first, and kept.
  runFile({ file, inputs }) {
    if (!models.has(file.address)) models.set(file.address, { files: { own: file }, sessions: new Map() });
    return run(file.address, "own", inputs);
  },
  async draw({ model, z, psi, smooth }) {
    const began = performance.now();
    const { picture } = await run(model, "generator", points(z, [psi]));
    const milliseconds = performance.now() - began;
    drawn = { model, picture };
    const pixels = toPixels(picture.data, picture.dims);
    const size = picture.dims[2];
    const shown = smooth ? { pixels: doubled(pixels, size), size: 2 * size } : { pixels, size };
    return { ...shown, milliseconds };
  },
  // What the critic says of the picture that was drawn last: 0 to 1, or null where it cannot judge.
  async judge() {
    const { score } = await run(drawn.model, "critic", { picture: drawn.picture });
    return Number.isFinite(score.data[0]) ? score.data[0] : null;
  },
  pictures: ({ model, network, z, psi }) => pictures(model, network, z, psi),
  async thumbnails({ model, z, psi }) {
    const { pixels, size } = await pictures(model, "generator", z, psi);
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext("2d");
    const made = [];
    for (let at = 0; at < pixels.length; at += 4 * size * size) {
      context.putImageData(new ImageData(pixels.slice(at, at + 4 * size * size), size, size), 0, 0);
      made.push(new FileReaderSync().readAsDataURL(await canvas.convertToBlob(JPEG)));
    }
    return made;
  },
};

self.onmessage = async ({ data: { number, name, asked } }) => {
  try {
    const answer = await functions[name](asked, (told) => self.postMessage({ number, told }));
    self.postMessage({ number, answer }, [...buffers(answer)]);
  } catch (error) {
    self.postMessage({ number, problem: String(error?.message ?? error) });
  }
};

// How much of a file has come, as bytes of what goes through the network, where it may be packed.
const telling = ({ address, bytes, packed }, tell) => {
  return (come) => tell({ address, come: (come / bytes) * (packed ?? bytes) });
};

async function session(model, network, tell = () => {}) {
  const { files, sessions } = models.get(model);
  if (!sessions.has(network)) {
    if (!files[network]) throw new Error(`${model} has no ${network}`);
    const made = content(files, network, tell).then(async (bytes) => {
      const { InferenceSession } = await runtime;
      // Errors alone: what it warns of would stand in the console as errors.
      return alone(() => InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 }));
    });
    sessions.set(network, made);
    made.catch(() => sessions.delete(network));
  }
  return sessions.get(network);
}

// A snapshot's file holds numbers alone, which take the places of the generator's in its file.
async function content(files, network, tell) {
  const file = files[network];
  const own = await fetched(file, telling(file, tell));
  if (!file.places) return own;
  const whole = await fetched(files.generator);
  let from = 0;
  for (const [at, bytes] of file.places) {
    whole.set(own.subarray(from, from + bytes), at);
    from += bytes;
  }
  return whole;
}

// inputs and outputs: {name: {data: Float32Array, dims}}.
async function run(model, network, inputs) {
  const { Tensor } = await runtime;
  const made = await session(model, network);
  const tensors = Object.entries(inputs).map(([name, { data, dims }]) => [name, new Tensor("float32", data, dims)]);
  const outputs = await alone(() => made.run(Object.fromEntries(tensors)));
  return Object.fromEntries(Object.entries(outputs).map(([name, { data, dims }]) => [name, { data, dims: [...dims] }]));
}

// Where pictures are to be drawn, as a generator takes it.
const points = (z, psi) => ({
  z: { data: z, dims: [psi.length, z.length / psi.length] },
  psi: { data: Float32Array.from(psi), dims: [psi.length] },
});

async function pictures(model, network, z, psi) {
  const numbers = z.length / psi.length;
  let pixels;
  let size;
  for (let at = 0; at < psi.length; at += AT_ONCE) {
    const end = Math.min(at + AT_ONCE, psi.length);
    const { picture } = await run(model, network, points(z.slice(at * numbers, end * numbers), psi.slice(at, end)));
    size = picture.dims[2];
    pixels ??= new Uint8ClampedArray(4 * psi.length * size * size);
    pixels.set(toPixels(picture.data, picture.dims), 4 * at * size * size);
    await breath();
  }
  if (models.get(model).files[network].places) {
    const { sessions } = models.get(model);
    const once = await sessions.get(network); // a snapshot's is not kept: there are dozens of them
    sessions.delete(network);
    await release(once);
  }
  return { pixels, size };
}

// One call of the runtime at a time: each waits in its middle, and all of them share one stack.
let last = Promise.resolve();
function alone(call) {
  const made = last.then(call);
  last = made.catch(() => {});
  return made;
}

// session: or a promise of it.
async function release(session) {
  const released = await session;
  await alone(() => released.release());
}

// Lets messages in that have come meanwhile.
function breath() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

// What an answer hands over instead of copying it.
function* buffers(answer) {
  if (ArrayBuffer.isView(answer)) yield answer.buffer;
  else if (answer && typeof answer === "object") for (const value of Object.values(answer)) yield* buffers(value);
}
