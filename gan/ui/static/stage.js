// The large picture, and the page's state. A moved control is answered from here, past Gradio's events, which
// copy every component's properties in the browser for each of them: that takes longer than drawing the picture.
const OURS = ["model", "seed", "truncation", "latent", "move", "z", "own"];  // of the address
const AGAIN = 5;  // seconds after a move that stayed unanswered
const OWN_LABEL = " (yours)", OWN_MARK = "~";  // a visitor's direction as a slider's label, and in the state
let face = null;  // the state as Python's Face.to_json writes it; null while there is none
let shown = 0;  // counts the states that Python has sent, so that an answer to an older one is dropped
let asking = false, moved = false;
let timer;
let before = remembered("face"); // the state before a reload, which the address may not have reached

const pixels = () => document.querySelector("#pixels input").checked;

// Takes a control's value into the state; false where it is none of ours or not (yet) a number.
function take(input) {
  if (input.closest("#pixels")) return true;
  if (input.value === "" || !input.closest("#seed, #truncation, #sliders")) return false;
  // A field takes any number until it is left; then Gradio makes it one that the slider can have.
  const value = Math.min(Math.max(Number(input.value), Number(input.min)), Number(input.max));
  if (input.closest("#seed")) {
    face.seed = Math.round(value);
    face.latent = "";
  } else if (input.closest("#truncation")) face.truncation = value;
  else takeSlider(input.getAttribute("aria-label").split(" for ").slice(1).join(" for "), value);
  return true;
}

function takeSlider(label, value) {
  const raw = label.match(/^z (\d+)$/);
  if (raw) face.offsets[raw[1]] = value;
  else if (label.endsWith(OWN_LABEL)) face.directions[OWN_MARK + label.slice(0, -OWN_LABEL.length)] = value;
  else face.directions[label] = value;
}

// One question at a time; what is moved meanwhile is asked next, and only as it is then.
async function move() {
  document.dispatchEvent(new CustomEvent("face-moved", { detail: JSON.stringify(face) }));
  remember("face", face);
  moved = true;
  if (asking) return;
  asking = true;
  while (moved) {
    moved = false;
    const asked = shown;
    const answer = await ask("move", { face: JSON.stringify(face), pixels: pixels() });
    if (asked !== shown) continue;
    document.dispatchEvent(new CustomEvent("face-problem", { detail: answer.problem ?? "" }));
    if (answer.unanswered) setTimeout(() => asked === shown && move(), 1000 * AGAIN);
    if (answer.problem) continue;  // the last picture stays
    props.value = answer.html;
    queueMicrotask(announce);  // after Gradio has put it there
  }
  asking = false;
}

function announce() {
  const picture = element.querySelector("[data-query]");
  if (!picture) return;
  document.dispatchEvent(new CustomEvent("face-shown", { detail: picture.dataset }));
  remember("face", JSON.parse(picture.dataset.face));
  clearTimeout(timer);  // browsers allow only some 100 changes of the address in 30 seconds
  timer = setTimeout(keepAddress, 400, picture.dataset.query);
}

function keepAddress(query) {
  const others = [...new URLSearchParams(location.search)].filter(([key]) => !OURS.includes(key));
  const rest = new URLSearchParams(others).toString();
  history.replaceState(history.state, "", `${location.pathname}?${query}${rest && "&" + rest}${location.hash}`);
}

document.addEventListener("input", (event) => {
  if (face && take(event.target)) move();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#truncation [data-testid=reset-button]")) return;
  setTimeout(() => {  // after Gradio has reset the slider, which tells nobody else
    if (face && take(document.querySelector("#truncation input[type=range]"))) move();
  });
});
watch("value", () => {
  const holder = element.querySelector("[data-face]");
  face = holder && JSON.parse(holder.dataset.face);
  shown += 1;
  const wanted = face && before;
  if (face) before = null;
  if (wanted && Object.keys(wanted).some((key) => JSON.stringify(wanted[key]) !== JSON.stringify(face[key])))
    document.dispatchEvent(new CustomEvent("face-wanted", { detail: JSON.stringify(wanted) }));
  document.dispatchEvent(new CustomEvent("stage-filled"));
  announce();
});
