// What a screen reader is told of the face: what has changed, once nothing has moved for a moment.
import { listen } from "./telling.js";
import { news } from "./words.js";

const REST = 700; // milliseconds

// Adds the place that is read aloud to `parent`.
export function announceFaces(parent) {
  const place = parent.appendChild(document.createElement("p"));
  place.className = "aloud";
  place.setAttribute("role", "status");
  let heard = null; // the face that was told last
  let timer;
  listen("face-moved", (text) => {
    clearTimeout(timer);
    const face = JSON.parse(text);
    if (!heard) heard = face; // the one that the page opens with is the picture's own text
    timer = setTimeout(() => {
      const words = news(heard, face);
      heard = face;
      if (words) place.textContent = words;
    }, REST);
  });
}
