// What a tab holds, over a reload of the page: Gradio reloads it by itself when a connection broke in the middle of
// long work. It stays in this tab of the browser, and a page that is opened anew, by a link say, begins afresh.
const IS_RELOAD = performance.getEntriesByType("navigation")[0]?.type === "reload";

const PAUSE = 200; // milliseconds: each writing reaches the disk, and a drag has 60 values a second
const waiting = new Map(); // name -> value that is to be written

export function remember(name, value) {
  if (!waiting.size) setTimeout(write, PAUSE);
  waiting.set(name, value);
}

function write() {
  for (const [name, value] of waiting)
    try {
      sessionStorage.setItem(`gan-faces ${name}`, JSON.stringify(value));
    } catch (error) {
      console.warn("This will not outlast a reload:", error); // no room, or not allowed here
    }
  waiting.clear();
}

window.addEventListener("pagehide", write);

// What was remembered before this page was loaded; null for nothing.
export function remembered(name) {
  try {
    const text = sessionStorage.getItem(`gan-faces ${name}`);
    if (IS_RELOAD) return JSON.parse(text);
    sessionStorage.removeItem(`gan-faces ${name}`);
  } catch (error) {
    console.warn("Nothing can be remembered here:", error);
  }
  return null;
}
