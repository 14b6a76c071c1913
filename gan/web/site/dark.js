// Light or dark, as the visitor's system is; before anything is shown. ?__theme=dark or light decides otherwise, as on
// the Gradio page.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const wanted = new URLSearchParams(location.search).get("__theme");
  const show = () => {
    const isDark = wanted === "dark" || (wanted !== "light" && system.matches);
    document.documentElement.classList.toggle("dark", isDark);
  };
  system.addEventListener("change", show);
  show();
})();
