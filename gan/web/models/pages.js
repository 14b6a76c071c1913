// A model's card and what it links to, each read when it is opened.
import { fill, html } from "../shared/html.js";
import { rendered } from "./markdown.js";

// look(name, page): promise of {text, pictures} or {problem}.
export function buildPages(root, look) {
  const find = (name, page) =>
    [...root.querySelectorAll("details")].find(({ dataset }) => dataset.name === name && dataset.page === page);

  // What a link in a card leads to: another page that is here, as a button, or elsewhere.
  function linked(name, target, words) {
    if (/^https?:\/\//.test(target)) return html`<a href="${target}" target="_blank" rel="noopener">${words}</a>`;
    const other = target.match(/^\.\.\/([^/]+)\/([^/]+)$/);
    const [model, page] = other ? other.slice(1) : [name, target];
    if (!find(model, page)) return words;
    return html`<button type="button" class="link" data-of="${model}" data-open="${page}">${words}</button>`;
  }

  async function read(details) {
    const { name, page } = details.dataset;
    const place = details.querySelector(".card");
    const { text, pictures, problem } = await look(name, page);
    place.removeAttribute("aria-busy");
    if (problem) {
      delete details.dataset.read;
      return fill(place, html`<p>${problem}</p>`);
    }
    const picture = (source) => (Object.hasOwn(pictures, source) ? pictures[source] : undefined);
    fill(place, rendered(text, { level: 4, picture, link: (target, words) => linked(name, target, words) }));
  }

  root.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.open || !target.dataset.page || target.dataset.read) return;
      target.dataset.read = "true";
      read(target);
    },
    true, // it does not bubble
  );
  root.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-open]");
    if (!button) return;
    const details = find(button.dataset.of, button.dataset.open);
    details.open = true;
    details.querySelector("summary").focus();
    details.scrollIntoView({ block: "start" });
  });
}
