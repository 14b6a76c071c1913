// The rest of the Replay tab's viewer: the film strip of Explore's face, and the downloads.

// ---- this face through the epochs -----------------------------------------------------------------------------------

const ABOUT_STRIP = find(".about").textContent;

function askStrip() {
  stripWanted = true;
  find(".draw").setAttribute("aria-busy", "true");
  find(".about").textContent = "Drawing…";
  trigger("face", { run: slots[0].name });
}

async function showStrip(answer) {
  find(".draw").removeAttribute("aria-busy");
  strip = null;
  find(".film").hidden = true;
  if (!answer) find(".about").textContent = ABOUT_STRIP;
  if (!answer || answer.run !== slots[0].name) return; // the latter for a run that is no longer shown
  find(".about").textContent = answer.problem || answer.about;
  if (answer.problem) return;
  const picture = await decode(answer.film.split(",")[1]);
  const tiles = find(".tiles");
  tiles.replaceChildren();
  find(".film").hidden = false;
  const size = picture.width / answer.images.length;
  answer.images.forEach((images, i) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.setAttribute("aria-label", "The face after " + count(images) + " images");
    const canvas = tile.appendChild(document.createElement("canvas"));
    tile.append(compact(images));
    tile.addEventListener("click", () => { replay.pause(); seek(images); });
    tiles.append(tile);
    copyTile(canvas, picture, size, i, 0);
  });
  strip = { picture: picture, size: size, images: answer.images, shown: -1 };
  markStrip();
}

function markStrip() {
  if (!strip) return;
  const at = Math.max(0, lastBy(strip.images, moment + 0.5, (images) => images));
  if (at === strip.shown) return;
  strip.shown = at;
  const now = find(".now"), tiles = find(".tiles");
  copyTile(now, strip.picture, strip.size, at, 0);
  now.setAttribute("aria-label", "The face after " + count(strip.images[at]) + " images");
  [...tiles.children].forEach((tile, i) => tile.setAttribute("aria-current", i === at));
  const tile = tiles.children[at];
  tiles.scrollLeft = tile.offsetLeft - tiles.offsetLeft - (tiles.clientWidth - tile.offsetWidth) / 2;
}

find(".draw").addEventListener("click", askStrip);

// ---- downloads ------------------------------------------------------------------------------------------------------

const films = root.dataset.films.split(" ");
for (const button of root.querySelectorAll(".files button")) {
  button.hidden = button.textContent.startsWith("Film") && !films.includes(button.dataset.kind);
  button.addEventListener("click", async () => {
    const status = find(".download-message"), kind = button.dataset.kind;
    status.textContent = "Making " + button.textContent + "…";
    button.disabled = true;
    const names = slots.map((slot) => slot.name).filter(Boolean);
    const file = await ask("replay_download", { runs: kind === "csv" ? names.slice(0, 1) : names, kind: kind, logarithmic: axis.logarithmic });
    status.textContent = file.problem || file.name;
    if (!file.problem) save(file);
    button.disabled = false;
  });
}
