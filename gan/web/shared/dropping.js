// A file can be dropped anywhere on the page while a tab is open, except where something else takes it.

// take: is given the file; mark: is told whether one is held over the page.
export function takeDrops(element, take, mark = () => {}) {
  const isOurs = (event) => {
    const isFile = [...(event.dataTransfer?.types ?? [])].includes("Files");
    return isFile && element.offsetParent !== null && !event.defaultPrevented;
  };
  document.addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    mark(true);
  });
  for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => mark(false));
  document.addEventListener("drop", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
