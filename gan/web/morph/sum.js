// Arithmetic: A - B + C, each the average of a few faces, and the faces to choose from.
import { make } from "../shared/elements.js";
import { save } from "../shared/files.js";
import { toExplore } from "../shared/tabs.js";

const MIDDLE = 4; // of the nine results: the sum itself
const LETTERS = ["A", "B", "C", "A – B + C"];

// model: gives the name of what draws; request: see morph.js; add: adds a face to the morph, true if it could; solved:
// is called when the sum is another.
export function buildSum(root, { model, request, add, changed }) {
  const find = (selector) => root.querySelector(selector);
  const message = find(".sum-message");
  let terms = [[], [], []];
  let words = []; // seeds; what they show, where the server knows
  let solved = null;
  let picked = [0, 0];
  let result = MIDDLE;
  let first = 0; // picked: term and place; first seed of the choices
  let solving = false;
  let unsolved = false;

  // known: what `state` gave before a reload, if anything.
  async function start(known = null) {
    const name = model();
    if (known?.terms.every((term) => term.length)) {
      ({ terms, words, picked } = known);
      return Promise.all([solve(), choices(known.first)]);
    }
    const answer = await request("arithmetic_example", { model: name }, message);
    if (name !== model() || answer.problem) return;
    terms = copied(answer.terms); // the example stays as it is
    words = answer.names;
    picked = [0, 0];
    await Promise.all([solve(), choices(0)]);
  }

  // One question at a time, and only the newest; the last solution stays where the next cannot be had.
  async function solve() {
    unsolved = true;
    if (solving) return;
    solving = true;
    while (unsolved) {
      unsolved = false;
      const asked = { model: model(), terms: copied(terms) };
      const answer = await request("arithmetic_solve", asked, message);
      if (unsolved) continue;
      if (!answer.problem) solved = { ...answer, asked };
      else if (solved?.asked.model === model()) terms = copied(solved.asked.terms);
      else solved = null;
    }
    solving = false;
    result = MIDDLE;
    changed();
    show();
  }

  async function choices(start) {
    const name = model();
    const answer = await request("arithmetic_grid", { model: name, start }, message);
    if (name !== model() || !answer.faces) return;
    first = answer.start;
    find(".earlier").disabled = first === 0;
    find(".choices").replaceChildren(
      ...answer.faces.map((picture, i) => {
        const button = face(picture, `Put seed ${first + i} in this place`, () => put(first + i));
        button.dataset.seed = first + i;
        button.append(make("span", "", first + i));
        return button;
      }),
    );
    show();
  }

  // ---- showing ------------------------------------------------------------------------------------------------------

  function show() {
    for (const button of root.querySelectorAll(".sum-files button")) button.disabled = !solved;
    const equation = find(".equation");
    if (!solved) return equation.replaceChildren();
    const parts = solved.terms.flatMap((pictures, term) => {
      const sign = make("p", `sign${term === 2 ? " equals" : ""}`, "–+="[term]);
      return [termBox(pictures, term), sign];
    });
    equation.replaceChildren(...parts, outcome());
    const [term, place] = picked;
    const seed = terms[term][place];
    find(".picking").textContent = `Face ${place + 1} of ${LETTERS[term]} is seed ${seed}. Choose another:`;
    for (const choice of find(".choices").children) {
      choice.setAttribute("aria-pressed", Number(choice.dataset.seed) === seed);
    }
  }

  function termBox(pictures, term) {
    const box = make("div", "term");
    const small = box.appendChild(make("div", "small"));
    small.append(
      ...pictures.map((picture, place) => {
        const label = `Face ${place + 1} of ${LETTERS[term]}, seed ${terms[term][place]}: replace it`;
        const button = face(picture, label, () => pick(term, place));
        button.setAttribute("aria-pressed", term === picked[0] && place === picked[1]);
        return button;
      }),
    );
    const average = box.appendChild(make("img", "average"));
    average.src = solved.averages[term];
    average.alt = `Average of the three faces of ${LETTERS[term]}`;
    box.append(make("p", "caption", words[term] || LETTERS[term]));
    return box;
  }

  function outcome() {
    const box = make("div", "term outcome");
    const grid = box.appendChild(make("div", "results"));
    grid.append(
      ...solved.results.map(({ picture }, place) => {
        const label = place === MIDDLE ? "The result" : `The result with a little noise, ${place + 1}`;
        const button = face(picture, label, () => {
          result = place;
          show();
          find(".results").children[place].focus();
        });
        button.setAttribute("aria-pressed", place === result);
        return button;
      }),
    );
    box.append(make("p", "caption", words[3] || LETTERS[3]));
    return box;
  }

  // ---- choosing -----------------------------------------------------------------------------------------------------

  function pick(term, place) {
    picked = [term, place];
    show();
    root.querySelectorAll(".equation .small")[term].children[place].focus();
  }

  function put(seed) {
    const [term, place] = picked;
    terms[term][place] = seed;
    words = words.map((word, i) => (i === term || i === 3 ? "" : word));
    picked = place + 1 < terms[term].length ? [term, place + 1] : [(term + 1) % 3, 0];
    solve();
  }

  const turn = (pages) => choices(first + pages * find(".choices").children.length);
  find(".example").addEventListener("click", () => start());
  find(".earlier").addEventListener("click", () => turn(-1));
  find(".later").addEventListener("click", () => turn(1));
  find(".pick-seed").addEventListener("submit", (event) => {
    event.preventDefault();
    put(Number(find(".pick-seed input").value));
  });

  // ---- going on with it ---------------------------------------------------------------------------------------------

  const said = find(".sum-said");
  find(".take").addEventListener("click", () => toExplore(solved.results[result].face));
  find(".into").addEventListener("click", async () => {
    const isAdded = await add(solved.results[result].face);
    said.textContent = isAdded ? "Added: it is the last face of the morph." : find(".told").textContent;
  });
  find(".sum-save").addEventListener("click", async () => {
    const names = LETTERS.map((letter, i) => words[i] || letter);
    const file = await request("arithmetic_save", { model: model(), terms, names }, said);
    if (file.problem) return;
    save(file);
    said.textContent = `Saved ${file.name}`;
  });

  show();
  return {
    start,
    // Shows what `state` was.
    put(before) {
      ({ words, picked } = before);
      terms = copied(before.terms);
      solve();
    },
    // What is shown, for a reload of the page and for a way back.
    get state() {
      return { terms: copied(terms), words, picked, first };
    },
  };
}

const copied = (terms) => terms.map((term) => [...term]);

function face(picture, label, chosen) {
  const button = make("button");
  button.setAttribute("aria-label", label);
  button.appendChild(make("img")).src = picture;
  button.addEventListener("click", chosen);
  return button;
}
