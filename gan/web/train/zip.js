// Zips in pieces: a visitor's pictures to the server, and a model folder from it.
const PIECE = 600_000; // bytes, which in base64 are less than what the server takes for a large request

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

// The server's last answer: {upload, name, pictures}, or {problem}. tell: is given which share has been sent.
export async function sendZip(question, file, tell) {
  let answer = { upload: "", offset: 0 };
  do {
    tell(answer.offset / Math.max(1, file.size));
    const content = await base64(file.slice(answer.offset, answer.offset + PIECE)).catch(() => "");
    const { upload, offset } = answer;
    answer = await question("train_upload", { upload, offset, name: file.name, size: file.size, content });
  } while (!answer.problem && answer.name === undefined);
  return answer;
}

// Saves it; returns what is wrong, "" for nothing.
export async function fetchZip(question, name) {
  const parts = [];
  let offset = 0;
  let answer;
  do {
    answer = await question("train_download", { name, offset });
    if (answer.problem) return answer.problem;
    parts.push(Uint8Array.from(atob(answer.content), (char) => char.charCodeAt(0)));
    offset += parts.at(-1).length;
  } while (offset < answer.size && parts.at(-1).length);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "application/zip" }));
  link.download = answer.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return "";
}
