// How much of what is being fetched has come: in the first picture's place, and in a line below when another model is
// chosen.
import { listen } from "../shared/telling.js";

const ABOUT = "The network that draws, and what runs it, come into your browser once.";

export function showLoading() {
  const line = document.body.appendChild(document.createElement("p"));
  line.className = "connection";
  line.setAttribute("role", "status");
  listen("engine-changed", ({ here, come, all }) => {
    const isComing = !here && all > 0;
    const words = `${megabytes(come)} of ${megabytes(all)} MB have come`;
    const waiting = document.querySelector("#stage .waiting");
    if (waiting && isComing) waiting.textContent = `${words}. ${ABOUT}`;
    line.textContent = isComing && !waiting ? `Another network: ${words}.` : "";
  });
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
