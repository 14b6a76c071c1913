// Files that are what they claim to be, or an error.

// Uint8Array of a file: {address, bytes, integrity: "sha256-..." or another digest in base64}.
// told: is called with the bytes that have come so far.
export async function fetched({ address, bytes, integrity }, told = () => {}) {
  // A browser that checks hands nothing out before all has come. So it is checked here, where a digest can be had:
  // on pages that came by HTTPS or from this machine.
  const checks = Boolean(globalThis.crypto?.subtle);
  const response = await fetch(address, checks ? {} : { integrity });
  if (!response.ok) throw new Error(`${address} was not sent: status ${response.status}`);
  const content = new Uint8Array(bytes);
  const reader = response.body.getReader();
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > bytes) throw new Error(`${address} is longer than its ${bytes} bytes`);
    content.set(part.value, at);
    at += part.value.length;
    told(at);
  }
  if (at < bytes || (checks && (await digest(content, integrity)) !== integrity))
    throw new Error(`${address} is not the file that it should be`);
  return content;
}

async function digest(content, integrity) {
  const kind = integrity.split("-")[0];
  const found = await crypto.subtle.digest(kind.replace("sha", "SHA-"), content);
  return `${kind}-${btoa(String.fromCharCode(...new Uint8Array(found)))}`;
}
