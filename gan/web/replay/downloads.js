// Files of what is shown, to keep.
import { save } from "../shared/files.js";

const ALL = { webp: "WebP", mp4: "MP4" }; // films that show every sheet

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
  return {
    // After other runs or new data; slots: what is shown.
    arrange(slots, isEmpty) {
      for (const button of root.querySelectorAll(".files button")) button.disabled = isEmpty;
      const moments = new Set(slots.flatMap(({ data }) => data.sheets.map(([, images]) => images)));
      const most = Number(root.dataset.gif?.split(" ")[slots.length - 1]); // of one run, of two
      const others = films.map((film) => ALL[film]).filter(Boolean);
      root.querySelector(".limit").textContent =
        most && moments.size > most
          ? `A GIF has room for ${most} of these ${moments.size} moments, spread over the whole training; ${others.join(" and ")} ${others.length > 1 ? "show" : "shows"} all.`
          : "";
    },
  };
}
