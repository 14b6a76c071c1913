// A picture file -> a canvas: upright, not too large, on white where it was transparent. Raises `Error` with a sentence.

const MOST_SIDE = 1024; // pixels of the canvas: what is cropped out of it is not shown any larger

// limits: {bytes, pixels, least: pixels of a side}; convert: is given a file's content in base64 that the browser cannot
// read, and answers {picture: URI} or {problem}.
export async function openPhoto(file, limits, convert) {
  if (file.size > limits.bytes) {
    const size = Math.round(file.size / 2 ** 20);
    throw Error(`This file has ${size} MB: expected a picture of at most ${limits.bytes / 2 ** 20} MB.`);
  }
  return drawn(await decoded(file, convert), limits);
}

// The same of a picture's address.
export const reopenPhoto = async (address, limits) => drawn(await load(address), limits);

// Pixels are not decoded before they are drawn: until then only the size is known.
async function decoded(file, convert) {
  const address = URL.createObjectURL(file);
  try {
    return await load(address);
  } catch {
    const answer = await convert(await base64(file));
    if (answer.problem) throw Error(answer.problem);
    return load(answer.picture);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function load(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = address;
  });
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] || "");
    reader.onerror = () => reject(Error(`This file cannot be read: ${reader.error.message}`));
    reader.readAsDataURL(blob);
  });
}

function drawn(image, { pixels, least }) {
  const width = image.naturalWidth;
  const height = image.naturalHeight;
  if (width * height > pixels) {
    const size = `${width.toLocaleString("en")} x ${height.toLocaleString("en")}`;
    throw Error(`This picture has ${size} pixels: expected at most ${pixels / 1e6} million. Make it smaller first.`);
  }
  if (Math.min(width, height) < least) {
    const size = `${width} x ${height}`;
    throw Error(`This picture is ${size} pixels: expected at least ${least} each way to see a face in.`);
  }
  const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(width * scale));
  copy.height = Math.max(1, Math.round(height * scale));
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, copy.width, copy.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, copy.width, copy.height);
  return copy;
}
