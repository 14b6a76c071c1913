// Whether a JPEG ends before its picture does: browsers show what there is of it, grey below, and say nothing.
const [START, SCAN, END] = [0xd8, 0xda, 0xd9]; // second bytes of markers
const isInScan = (byte) => byte === 0 || (byte >= 0xd0 && byte <= 0xd7); // a plain 255, and restarts

// bytes: of any file. What follows a picture's end, as phones put a film there, is not looked at.
export function isCut(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== START) return false;
  let at = 2;
  while (at + 3 < bytes.length) {
    if (bytes[at] !== 0xff) return false; // no JPEG that this knows
    const marker = bytes[at + 1];
    if (marker === END) return false;
    if (marker === 0xff) {
      at += 1; // fills up
      continue;
    }
    at += 2 + 256 * bytes[at + 2] + bytes[at + 3];
    if (marker === SCAN) while (at < bytes.length && (bytes[at] !== 0xff || isInScan(bytes[at + 1]))) at += 1;
  }
  return !(bytes[at] === 0xff && bytes[at + 1] === END);
}
