// Files of what is shown, to keep.
import { save } from "../shared/files.js";

// ask: is given a kind of file, and answers with it or a problem.
export function buildDownloads(root, ask) {
  const status = root.querySelector(".download-message");
  const films = root.dataset.films.split(" ");
  for (const button of root.querySelectorAll(".files button")) {
    const { kind } = button.dataset;
    button.hidden = button.textContent.startsWith("Film") && !films.includes(kind);
    button.addEventListener("click", async () => {
      status.textContent = `Making ${button.textContent}…`;
      button.disabled = true;
      const file = await ask(kind);
      status.textContent = file.problem || file.name;
      if (!file.problem) save(file);
      button.disabled = false;
    });
  }
}
