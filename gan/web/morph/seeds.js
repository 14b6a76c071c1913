// Which faces a morph begins with, and which stay when it gets another model. No DOM.
//
// A face is its state as JSON: {model, seed, truncation, ...}, `latent` where it has numbers of its own.

const BEGIN_WITH = 4; // faces
const SEEDS = 1e6; // random ones are below: short enough to read out

export const seedFace = (model, seed, truncation = 1) => JSON.stringify({ model, seed, truncation });

export const randomSeed = () => Math.floor(Math.random() * SEEDS);

// start: the face to begin with, "" for none.
export function firstFaces(model, start) {
  const first = start ? JSON.parse(start).seed : 0;
  const seeds = [...Array(BEGIN_WITH + 1).keys()].filter((seed) => seed !== first);
  return [start || seedFace(model, first), ...seeds.map((seed) => seedFace(model, seed))].slice(0, BEGIN_WITH);
}

// Seeds mean a face in every model; an own latent vector only in the one that it was made for.
export function facesFor(model, faces) {
  const states = faces.map((face) => JSON.parse(face));
  const seeds = states.filter((face) => !face.latent);
  return {
    wanted: seeds.map(({ seed, truncation }) => seedFace(model, seed, truncation)),
    left: states.length - seeds.length,
  };
}
