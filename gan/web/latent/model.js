// What model.json says of a model (gan/export/onnx.py), with its numbers made ready.
import { floats } from "./numbers.js";

const FORMAT_VERSION = 2;

// facts: the parsed model.json. Returns them, and beside them
//   vectors: Map of a direction's name -> Float32Array(z_dim), what its value 1 adds to z;
//   own: Map for latent/own.js to remember what a visitor's own directions add.
// Throws where another version wrote them.
export function readModel(facts) {
  const version = facts?.format_version;
  if (version !== FORMAT_VERSION)
    throw new Error(`model.json has format ${version}, this page reads ${FORMAT_VERSION}: reload the page`);
  const all = floats(facts.directions.vectors);
  const vector = (at) => all.subarray(at * facts.z_dim, (at + 1) * facts.z_dim);
  const vectors = new Map(facts.directions.names.map(({ name }, at) => [name, vector(at)]));
  return { ...facts, vectors, own: new Map() };
}
