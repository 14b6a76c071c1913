// What to train, and on what: the form, and the first pictures as the critic will see them.
import { make } from "../shared/elements.js";
import { sendZip } from "./zip.js";

const UPLOAD = "upload:"; // before the id of one, in the choice of pictures

// question: of the server; begin: is given what to train.
export function buildForm(form, { question, begin }) {
  const find = (selector) => form.querySelector(selector);
  const { preset, source, kind, minutes, detached } = form.elements;
  const told = find(".told");
  let offered = null;
  let sources = []; // {name, known, upload}
  let previewing = 0; // counts, so that the answer to an older choice is dropped

  const picked = () => sources.find((each) => value(each) === source.value) ?? {};
  const value = (each) => (each.upload ? UPLOAD + each.upload : each.name);
  const asked = () => ({ preset: preset.value, source: picked().upload ? "" : picked().name, upload: picked().upload });

  function option(place, key, text) {
    const added = place.appendChild(make("option", "", text));
    added.value = key;
    return added;
  }

  // answer: of `train_open`; what is chosen already stays.
  function offer(answer) {
    if (offered) return;
    offered = answer;
    sources = answer.sources;
    for (const { name, title } of answer.presets) option(preset, name, title);
    for (const each of sources) option(source, value(each), each.name);
    [minutes.min, minutes.max] = answer.minutes;
    for (const { key, label, least, most } of answer.fields) {
      const row = find(".more").appendChild(make("label", "", label));
      const input = row.appendChild(make("input"));
      Object.assign(input, { type: "number", name: key, min: least, max: most, step: "any", required: true });
    }
    choosePreset();
  }

  function choosePreset() {
    const chosen = offered.presets.find(({ name }) => name === preset.value);
    for (const [key, number] of Object.entries(chosen.values)) form.elements[key].value = number;
    if (!picked().upload && sources.some(({ name }) => name === chosen.data)) source.value = chosen.data;
    told.textContent = chosen.source;
    look();
  }

  async function look() {
    const number = ++previewing;
    const [pictures, caption] = [find(".pictures"), find("figcaption")];
    find(".kind").hidden = picked().known !== false;
    pictures.classList.add("looking");
    const answer = await question("train_preview", asked());
    if (number !== previewing) return;
    pictures.classList.remove("looking");
    pictures.replaceChildren(...(answer.pictures ?? []).map((uri) => Object.assign(make("img"), { src: uri })));
    const words = answer.problem ?? `${answer.about}, exactly as the critic will see them.`;
    caption.textContent = words;
    pictures.setAttribute("aria-label", words);
  }

  async function upload(file) {
    const answer = await sendZip(question, file, (share) => {
      told.textContent = `Sending ${file.name}: ${Math.round(100 * share)} %`;
    });
    told.textContent = answer.problem ?? `${answer.name}: ${answer.pictures.toLocaleString("en")} pictures.`;
    if (answer.problem) return;
    const added = { name: answer.name, known: false, upload: answer.upload };
    sources = [...sources, added];
    option(source, value(added), answer.name).selected = true;
    look();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find(".start");
    button.disabled = true;
    const values = Object.fromEntries(offered.fields.map(({ key }) => [key, Number(form.elements[key].value)]));
    const what = { ...asked(), kind: kind.value, minutes: Number(minutes.value), values, detached: detached.checked };
    const answer = await begin(what);
    told.textContent = answer.problem ?? "";
    button.disabled = false;
  });
  preset.addEventListener("change", choosePreset);
  source.addEventListener("change", look);
  find(".upload").addEventListener("click", () => find(".file").click());
  find(".file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) upload(file);
  });

  return {
    offer,
    get minutes() {
      return Number(minutes.value);
    },
  };
}
