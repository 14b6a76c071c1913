// Frames of a canvas -> a WebM file, by the browser's own encoder.
const CODEC = "vp8";
const BITS = 0.4; // a second and pixel
const KEY_EVERY = 60; // frames

const config = (side, fps) => ({
  codec: CODEC,
  width: side,
  height: side,
  framerate: fps,
  bitrate: Math.round(BITS * side * side * fps),
});

// Whether this browser has such an encoder.
export async function canWebm() {
  try {
    return (await VideoEncoder.isConfigSupported(config(512, 20))).supported;
  } catch {
    return false;
  }
}

// {add: is given a canvas, of each frame in its turn; end: promise of the file's Uint8Array}.
export function webmOf(side, fps) {
  const blocks = [];
  const encoder = new VideoEncoder({
    output(chunk) {
      const content = new Uint8Array(chunk.byteLength);
      chunk.copyTo(content);
      const at = Math.round(chunk.timestamp / 1000);
      blocks.push(element("a3", [0x81, at >> 8, at & 255, chunk.type === "key" ? 0x80 : 0, ...content]));
    },
    error: (error) => console.warn(error), // `encode` and `flush` tell of it too
  });
  encoder.configure(config(side, fps));
  let count = 0;
  return {
    add(canvas) {
      const frame = new VideoFrame(canvas, { timestamp: Math.round((1e6 * count) / fps), duration: 1e6 / fps });
      encoder.encode(frame, { keyFrame: count % KEY_EVERY === 0 });
      frame.close();
      count++;
    },
    async end() {
      await encoder.flush();
      encoder.close();
      return fileOf(blocks, side, (1000 * count) / fps);
    },
  };
}

// As the Matroska container's specification (RFC 9559) has it. milliseconds: of the whole film.
function fileOf(blocks, side, milliseconds) {
  const head = element("1a45dfa3", [
    ...element("4282", text("webm")),
    ...element("4287", [4]), // version of the document, and the least that a reader must know
    ...element("4285", [2]),
  ]);
  const long = new DataView(new ArrayBuffer(8));
  long.setFloat64(0, milliseconds);
  const info = element("1549a966", [
    ...element("2ad7b1", [0x0f, 0x42, 0x40]), // a million nanoseconds: times are milliseconds
    ...element("4489", new Uint8Array(long.buffer)),
    ...element("4d80", text("GAN Faces")),
    ...element("5741", text("GAN Faces")),
  ]);
  const size = [side >> 8, side & 255];
  const track = element("ae", [
    ...element("d7", [1]),
    ...element("73c5", [1]),
    ...element("83", [1]), // video
    ...element("9c", [0]),
    ...element("86", text("V_VP8")),
    ...element("e0", [...element("b0", size), ...element("ba", size)]),
  ]);
  const cluster = element("1f43b675", joined([element("e7", [0]), ...blocks]));
  return joined([head, element("18538067", joined([info, element("1654ae6b", track), cluster]))]);
}

// id: in hexadecimal; then its length in eight bytes, and its content.
function element(id, content) {
  const name = id.match(/../g).map((byte) => Number.parseInt(byte, 16));
  const length = new DataView(new ArrayBuffer(8));
  length.setUint32(4, content.length);
  length.setUint8(0, 1);
  return joined([name, new Uint8Array(length.buffer), content]);
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const text = (words) => new TextEncoder().encode(words);
