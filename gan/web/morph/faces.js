// The faces of a morph in their order: shown, moved by buttons or by dragging, removed.
import { make } from "../shared/elements.js";

// changed: is called when there are others or in another order; look: with the number of a face that is to be shown.
export function buildFaces(root, { changed, look }) {
  const list = root.querySelector(".faces");
  let faces = []; // {face: state as JSON, name, picture: URI}

  function set(next) {
    faces = next;
    list.replaceChildren(...faces.map(item));
  }

  function move(from, to) {
    const next = faces.filter((_, i) => i !== from);
    if (to !== null) next.splice(to, 0, faces[from]);
    set(next);
    changed();
  }

  function item(face, i) {
    const entry = make("li");
    const picture = entry.appendChild(make("button", "picture"));
    picture.setAttribute("aria-label", `Show ${face.name}, face ${i + 1}`);
    picture.appendChild(make("img")).src = face.picture;
    picture.addEventListener("click", () => look(i));
    entry.append(make("span", "name", face.name));
    const order = entry.appendChild(make("div", "order"));
    for (const [text, label, to] of [
      ["←", "Move earlier", i - 1],
      ["→", "Move later", i + 1],
      ["×", "Remove", null],
    ]) {
      const button = order.appendChild(make("button", "", text));
      button.setAttribute("aria-label", `${label}: ${face.name}`);
      button.disabled = to !== null && (to < 0 || to >= faces.length);
      button.addEventListener("click", () => {
        move(i, to);
        const next = list.children[to ?? Math.min(i, faces.length - 1)]; // the keyboard stays where it was
        next?.querySelector(".order button:enabled")?.focus();
      });
    }
    makeDraggable(entry, face, i);
    return entry;
  }

  function makeDraggable(entry, face, i) {
    entry.draggable = true;
    entry.addEventListener("dragstart", (event) => {
      entry.classList.add("dragged");
      event.dataTransfer.setData("text/plain", face.name);
      event.dataTransfer.effectAllowed = "move";
    });
    entry.addEventListener("dragover", (event) => {
      const dragged = list.querySelector(".dragged");
      if (!dragged) return;
      event.preventDefault();
      const entries = [...list.children];
      const isLater = entries.indexOf(dragged) < entries.indexOf(entry);
      if (dragged !== entry) list.insertBefore(dragged, isLater ? entry.nextSibling : entry);
    });
    entry.addEventListener("dragend", () => {
      const to = [...list.children].indexOf(entry);
      entry.classList.remove("dragged");
      if (to !== i) move(i, to);
    });
  }

  return {
    set,
    // Marks the one that the film shows or is nearest to.
    mark(number) {
      for (const [i, entry] of [...list.children].entries()) entry.classList.toggle("current", i === number);
    },
    get all() {
      return faces;
    },
    get states() {
      return faces.map(({ face }) => face);
    },
  };
}
