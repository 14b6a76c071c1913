// A picture as a PNG that carries the state it was drawn from, as gan/ui/drawing.py writes it.
import { enlarged } from "../engine/pixels.js";
import { KEY } from "../shared/files.js";

const AFTER_HEAD = 33; // bytes: the signature and the first chunk
const crcs = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

// As base64. picture: ImageData of a square; least: the side that it is enlarged to at least, by the smallest whole
// factor; smooth: without visible pixels; state: JSON.
export async function pngOf(picture, least, smooth, state) {
  const size = picture.width;
  const factor = Math.ceil(least / size);
  const canvas = new OffscreenCanvas(factor * size, factor * size);
  const context = canvas.getContext("2d");
  if (smooth) context.putImageData(new ImageData(enlarged(picture.data, size, factor), factor * size), 0, 0);
  else {
    context.imageSmoothingEnabled = false;
    context.drawImage(await createImageBitmap(picture), 0, 0, factor * size, factor * size);
  }
  return pngWith(canvas, state);
}

// A canvas, as base64.
export async function pngWith(canvas, state) {
  const blob = await (canvas.convertToBlob?.() ?? new Promise((resolve) => canvas.toBlob(resolve)));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const whole = new Uint8Array([...bytes.subarray(0, AFTER_HEAD), ...textChunk(state), ...bytes.subarray(AFTER_HEAD)]);
  return base64(whole);
}

export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function textChunk(state) {
  const plain = state.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const content = new TextEncoder().encode(`tEXt${KEY}\0${plain}`);
  const chunk = new Uint8Array(content.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, content.length - 4);
  chunk.set(content, 4);
  view.setUint32(content.length + 4, crcOf(content));
  return chunk;
}

function crcOf(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcs[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
