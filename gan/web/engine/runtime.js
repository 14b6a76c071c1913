// onnxruntime-web, begun with as many threads as the page may have and the machine has cores for.
import { fetched } from "./fetching.js";

const MOST_THREADS = 4; // what a picture brings to do is too little for more
const PATIENCE = 20; // seconds after which threads that have not begun are given up
// y = x, in ONNX: with a first session the runtime begins, and its threads with it.
const SMALLEST = "CAgSADo2ChAKAXgSAXkiCElkZW50aXR5EgBaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAN";

// The runtime's module, ready to make sessions; module, wasm: files, see fetching.js; cores: of the machine.
// told(file): gives what is called with the bytes of it that have come.
export async function started(module, wasm, cores, told) {
  const [source, binary] = await Promise.all([module, wasm].map((file) => fetched(file, told(file))));
  const threads = threadsFor(cores, self.crossOriginIsolated);
  if (threads > 1)
    try {
      return await begun(source, binary, threads);
    } catch (error) {
      console.warn(`${threads} threads did not begin, one draws:`, error);
    }
  return begun(source, binary, 1);
}

// Half of the cores, since two of them are often one, and all threads wait for the one that others hinder. One where the
// page is not isolated from other sites: no memory can be shared there.
export function threadsFor(cores, isolated) {
  return isolated ? Math.max(1, Math.min(cores >> 1, MOST_THREADS)) : 1;
}

// A module of its own each time: one whose threads did not begin cannot begin again.
async function begun(source, binary, threads) {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" })); // its threads ask for it too
  const ort = await import(address);
  const initTimeout = threads > 1 ? 1000 * PATIENCE : 0; // none
  Object.assign(ort.env.wasm, { numThreads: threads, proxy: false, wasmBinary: binary, initTimeout });
  ort.env.logLevel = "error";
  await failing(() => ort.InferenceSession.create(Uint8Array.from(atob(SMALLEST), (byte) => byte.charCodeAt(0))));
  return ort;
}

// What `work` gives; rejects as soon as a thread of its fails, of which nothing else tells.
async function failing(work) {
  let stop;
  const failed = new Promise((_, reject) => {
    stop = (event) => {
      event.preventDefault();
      reject(event.error ?? new Error(event.message || "a thread failed"));
    };
  });
  self.addEventListener("error", stop);
  try {
    return await Promise.race([work(), failed]);
  } finally {
    self.removeEventListener("error", stop);
  }
}
