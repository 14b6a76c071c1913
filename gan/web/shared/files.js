// Files that a visitor keeps, and brings back: for every tab that has some.
export const KEY = "gan-faces"; // of the PNG text chunk that holds the state
const MOST_BYTES = 32e6;

// A PNG is a signature and then chunks of: length, type, content, checksum.
export async function stateOf(file) {
  if (file.size > MOST_BYTES) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const text = (from, to) => new TextDecoder("latin1").decode(bytes.subarray(from, to));
  if (text(1, 4) !== "PNG") return null;
  for (let at = 8; at + 12 <= bytes.length; at += view.getUint32(at) + 12) {
    if (text(at + 4, at + 8) !== "tEXt") continue;
    const content = text(at + 8, at + 8 + view.getUint32(at));
    if (content.startsWith(`${KEY}\0`)) return content.slice(KEY.length + 1);
  }
  return null;
}

// file: name, type, content in base64.
export function save(file) {
  const bytes = Uint8Array.from(atob(file.content), (char) => char.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: file.type }));
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
