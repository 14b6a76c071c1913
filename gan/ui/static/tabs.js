// The tab that was open is open again after a reload.
const TABS = "#tabs [role=tab]";
document.addEventListener("click", (event) => {
  const tab = event.target.closest(TABS);
  if (tab) remember("tab", tab.textContent.trim());
});
const wanted = remembered("tab");
function reopen() {
  const tab = [...document.querySelectorAll(TABS)].find((tab) => tab.textContent.trim() === wanted);
  if (!tab) requestAnimationFrame(reopen); // until Gradio has put them there
  else if (tab.getAttribute("aria-selected") !== "true") tab.click();
}
if (wanted) reopen();
