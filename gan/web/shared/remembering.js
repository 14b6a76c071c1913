// What a tab holds, over a reload of the page: Gradio reloads it by itself when a connection broke in the middle of
// long work. It stays in this tab of the browser, and a page that is opened anew, by a link say, begins afresh.
const IS_RELOAD = performance.getEntriesByType("navigation")[0]?.type === "reload";

export function remember(name, value) {
  try {
    sessionStorage.setItem(`gan-faces ${name}`, JSON.stringify(value));
  } catch (error) {
    console.warn("This will not outlast a reload:", error); // no room, or not allowed here
  }
}

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
