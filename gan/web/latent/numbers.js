// Numbers as text, as Python writes them (gan/ui/values.py, gan/export/onnx.py).
const MOST_NUMBERS = 1024;
const LARGEST = 10; // of a latent's numbers; a normal z of 1,024 numbers hardly passes 4
const view = new DataView(new ArrayBuffer(4));

// Float32Array of float32 numbers, little-endian, in base64.
export function floats(text) {
  const bytes = bytesOf(text);
  const read = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => read.getFloat32(4 * at, true));
}

// Float32Array of a latent as a link has it: float16, little-endian, base64url without its "=".
export function decodeLatent(text) {
  const bytes = bytesOf(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (bytes.length % 2) throw new RangeError(`latent of ${bytes.length} bytes: expected two for each number`);
  const read = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, at) => fromHalf(read.getUint16(2 * at, true)));
}

// The reverse, for at most MOST_NUMBERS numbers of at most LARGEST.
export function encodeLatent(z) {
  if (!z.length || z.length > MOST_NUMBERS || !z.every((number) => Math.abs(number) <= LARGEST))
    throw new RangeError(`latent of ${z.length} numbers: expected 1 to ${MOST_NUMBERS}, each from -10 to 10`);
  const bytes = new Uint8Array(2 * z.length);
  const write = new DataView(bytes.buffer);
  z.forEach((number, at) => {
    write.setUint16(2 * at, toHalf(number), true);
  });
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

function fromHalf(bits) {
  const exponent = (bits >> 10) & 31;
  const size = exponent ? (1024 + (bits & 1023)) * 2 ** (exponent - 25) : (bits & 1023) * 2 ** -24;
  return bits & 0x8000 ? -size : size;
}

// To the nearest, halves to the even one.
function toHalf(number) {
  view.setFloat32(0, number);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 112; // float16's own, where it has one
  const exact = exponent > 0 ? (bits & 0x7fffffff) / 0x2000 - 112 * 1024 : Math.abs(number) * 2 ** 24;
  const below = Math.floor(exact);
  const up = exact - below > 0.5 || (exact - below === 0.5 && below % 2 === 1);
  return sign | (below + up);
}
