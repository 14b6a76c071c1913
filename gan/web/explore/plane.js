// The plane of two sliders: where a face lies in it, and the faces that lie in it, as gan/ui/pad.py has them.
import { change, given } from "../shared/state.js";

export const SIDE = 5; // faces in a row of thumbnails

// Of a slider, by its key.
export const rangeOf = (key) =>
  key === "truncation" ? { least: 0, most: 1.5, step: 0.01 } : { least: -3, most: 3, step: 0.05 };

// How far a face's sliders are, from 0 to 1, across and up.
export const placeOf = (face) =>
  face.pad.map((key) => {
    const { least, most } = rangeOf(key);
    return (given(face, key) - least) / (most - least);
  });

// The face at such a place; what lies outside of the plane is brought to its edge. grain: values are multiples of it.
export const faceAt = (face, place, grain = 0.001) =>
  face.pad.reduce((moved, key, axis) => {
    const { least, most } = rangeOf(key);
    const value = least + Math.min(Math.max(place[axis], 0), 1) * (most - least);
    return change(moved, key, Math.round(value / grain) * grain);
  }, face);

// Rows of as many faces at even distances, the top one first.
export const planeOf = (face) =>
  Array.from({ length: SIDE ** 2 }, (_, at) => {
    const [across, down] = [at % SIDE, Math.floor(at / SIDE)];
    return faceAt(face, [across / (SIDE - 1), 1 - down / (SIDE - 1)]);
  });
