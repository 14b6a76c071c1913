// Under the picture: the link, the PNG, and the way back from a PNG to its face.
const said = element.querySelector(".said span");
const link = element.querySelector(".link");
const chooser = element.querySelector("input[type=file]");

function say(text, address = "") {
  said.textContent = text;
  link.hidden = !address;
  link.value = address;
}

// The state's query, or nothing while there is no picture.
const query = () => document.querySelector("#stage [data-query]")?.dataset.query;

async function restore(file) {
  const state = file && (await stateOf(file));
  say(state ? `Restored from ${file.name}` : "This file carries no face: expected a PNG that was saved here.");
  if (state) trigger("restore", { state });
}

const actions = {
  async link() {
    const address = location.origin + location.pathname + "?" + query();
    try {
      await navigator.clipboard.writeText(address);
      say("Link copied", window.self === window.top ? "" : address);
    } catch {  // not allowed in this frame, or the page came over plain HTTP
      say("Copy it from here:", address);
      link.select();
    }
  },
  async save() {
    const file = await ask("download", { query: query(), smooth: !document.querySelector("#pixels input").checked });
    if (file.problem) return say(file.problem);
    const anchor = document.createElement("a");
    anchor.href = "data:image/png;base64," + file.png;
    anchor.download = file.name;
    anchor.click();
    say(`Saved ${file.name}`);
  },
  open() {
    chooser.click();
  },
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (!query() && ["link", "save"].includes(button.dataset.do)) return say("There is no face yet.");
  actions[button.dataset.do]();
});
chooser.addEventListener("change", () => {
  restore(chooser.files[0]);
  chooser.value = "";  // so that the same file can be chosen again
});

// A PNG can be dropped anywhere while the tab is open, except where something else takes it.
const open = () => element.offsetParent !== null;
const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => {
  if (event.defaultPrevented || !open() || !holdsFile(event)) return;
  event.preventDefault();
  document.documentElement.dataset.dropping = "true";
});
for (const name of ["dragleave", "drop"])
  document.addEventListener(name, () => delete document.documentElement.dataset.dropping);
document.addEventListener("drop", (event) => {
  if (event.defaultPrevented || !open() || !holdsFile(event)) return;
  event.preventDefault();
  restore(event.dataTransfer.files[0]);
});
// Why the picture does not follow, until it does.
let problem = "";
document.addEventListener("face-problem", ({ detail }) => {
  if (detail || said.textContent === problem) say(detail);
  problem = detail;
});
// Another tab made a face, and the visitor wants to go on with it here.
document.addEventListener("face-wanted", (event) => trigger("restore", { state: event.detail }));
