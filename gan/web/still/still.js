// Shows the first face until the live picture lies in its place. No module: it runs while the page's HTML still comes.
(() => {
  const PATIENCE = 60; // seconds; then the page shows itself as far as it has come
  const still = document.getElementById("still");
  const root = document.documentElement;
  // A reload goes on where the visitor was.
  if (performance.getEntriesByType("navigation")[0]?.type === "reload") return still.remove();
  const theme = new URLSearchParams(location.search).get("__theme");
  const isDark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  still.classList.toggle("dark", isDark);
  root.classList.add("opening");

  function end() {
    observer.disconnect();
    root.classList.remove("opening");
    still.remove();
  }

  async function look() {
    const stage = document.getElementById("stage");
    const isWaiting = stage?.querySelector(".waiting");
    if (!stage?.textContent.trim() || isWaiting) return; // empty, too, until its module has come
    observer.disconnect();
    const image = stage.querySelector("img"); // a canvas is painted at once
    await image?.decode().catch(() => {});
    end();
  }
  const observer = new MutationObserver(look);
  observer.observe(root, { childList: true, subtree: true });
  document.addEventListener("click", ({ target }) => target.closest("#tabs [role=tab]") && end());
  setTimeout(end, 1000 * PATIENCE);
})();
