// Models in a row each, by chapters: gan/report/overview.py says what is known of one. No DOM.
import { html } from "../shared/html.js";
import { rendered } from "./markdown.js";

const PAGES = { "README.md": "Model card", "figures.md": "Every figure", "notes.md": "What was tried" };
const COLOURS = { 1: "grey", 3: "colour" };

export function story(models) {
  const chapters = [...new Set(models.map(({ chapter }) => chapter))];
  return chapters.map(
    (chapter) =>
      html`<h2 class="chapter">${chapter}</h2>
        <ol>${models.filter((model) => model.chapter === chapter).map(row)}</ol>`,
  );
}

function row(model) {
  const { name, title, source, lead, pages } = model;
  const plain = { level: 4, picture: () => undefined, link: (_, words) => words };
  return html`<li data-model="${name}"><article aria-label="${title}">
    <div class="head"><div><h3>${title}</h3><p class="source">${[name, source].filter(Boolean).join(": ")}</p></div>
      <div class="go"><button type="button" data-explore="${name}">Explore</button><button type="button"
        data-replay="${name}">Replay</button></div></div>
    <div class="drew">${strip(model)}
      <div class="told">${lead ? rendered(lead, plain) : html`<p>Nobody has written of it yet.</p>`}</div></div>
    <div class="known">
      <dl>${facts(model).map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
      ${figures(model)}</div>
    ${pages.length > 0 && html`<div class="pages">${pages.map((page) => opening(name, page))}</div>`}
  </article></li>`;
}

const opening = (name, page) => html`<details data-name="${name}" data-page="${page}"><summary>${PAGES[page]}</summary>
  <div class="card" aria-busy="true"></div></details>`;

function strip({ title, strip: source, moments }) {
  if (!source) return html`<p class="none">No strip of samples yet: its training writes one when it ends.</p>`;
  const seen = moments.map((images) => images.toLocaleString("en"));
  const told = seen.length === 3 ? `: after ${seen[0]}, ${seen[1]} and ${seen[2]} real pictures` : "";
  const words = `Seeds 0 to 7 of ${title} in the beginning, in the middle and at the end of its training${told}`;
  return html`<figure><img src="${source}" alt="${words}"><figcaption>Seeds 0 to 7${
    seen.length === 3 && html`, after <b>${seen[0]}</b>, <b>${seen[1]}</b> and <b>${seen[2]}</b> real pictures`
  }</figcaption></figure>`;
}

function facts({ size, channels, kind, parameters, images, time, machine }) {
  const [generator, critic] = parameters.map((count) => `${(count / 1e6).toFixed(2)} M`);
  const found = [
    ["Pictures", `${size} × ${size}, ${COLOURS[channels] ?? channels}${kind && `, ${kind}`}`],
    ["Parameters", `${generator} that draw, ${critic} that judge`],
    ["Real pictures seen", images?.toLocaleString("en")],
    ["Training time", time && `${time} on ${machine}`],
  ];
  return found.filter(([, value]) => value);
}

function figures({ name, figures: found, judged, seen }) {
  if (!found.length) return html`<p class="none">Nothing was measured of these weights yet.</p>`;
  const line = ({ name: figure, value, real, better }) =>
    html`<tr><th scope="row">${figure}</th><td>${value}</td><td>${real}</td><td>${better}</td></tr>`;
  return html`<div class="wide" tabindex="0" role="group" aria-label="Figures of ${name}"><table>
    <thead><tr><th scope="col">Figure</th><th scope="col">drawn</th><th scope="col">real pictures</th><th scope="col">better</th></tr></thead>
    <tbody>${found.map(line)}</tbody></table></div>
    <p class="judged">${judged}${seen && ", which it was trained on too: that flatters"}.</p>`;
}
