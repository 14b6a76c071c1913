// The rest of the Morph tab: arithmetic, and what the server's messages to the tab do.

const MIDDLE = 4; // of the nine results: the sum itself
const LETTERS = ["A", "B", "C", "A – B + C"];
let terms = [[], [], []], words = []; // seeds; what they show, where the server knows
let solved = null, picked = [0, 0], result = MIDDLE, first = 0; // picked: term and place; first seed of the choices
let solving = false, unsolved = false;

// known: what was here before a reload, if anything.
async function startSum(known = null) {
  const name = model;
  if (known?.terms.every((term) => term.length)) {
    ({ terms, words, picked } = known);
    return Promise.all([solve(), choices(known.first)]);
  }
  const answer = await request("arithmetic_example", { model: name }, find(".sum-message"));
  if (name !== model || answer.problem) return;
  terms = answer.terms;
  words = answer.names;
  picked = [0, 0];
  await Promise.all([solve(), choices(0)]);
}

async function solve() {
  unsolved = true;
  if (solving) return;
  solving = true;
  while (unsolved) {
    unsolved = false;
    const asked = { model: model, terms: terms.map((term) => [...term]) };
    const answer = await request("arithmetic_solve", asked, find(".sum-message"));
    if (unsolved) continue;
    if (!answer.problem) solved = { ...answer, asked: asked };
    else if (solved?.asked.model === model) terms = solved.asked.terms.map((term) => [...term]); // the last one stays
    else solved = null;
  }
  solving = false;
  rememberMorph();
  result = MIDDLE;
  showSum();
}

function showSum() {
  const equation = find(".equation");
  for (const button of all(".sum-files button")) button.disabled = !solved;
  if (!solved) return equation.replaceChildren();
  const parts = solved.terms.flatMap((pictures, term) => {
    const box = make("div", "term"), small = box.appendChild(make("div", "small"));
    pictures.forEach((picture, place) => {
      const button = small.appendChild(make("button"));
      button.setAttribute("aria-label", "Face " + (place + 1) + " of " + LETTERS[term] + ", seed " + terms[term][place] + ": replace it");
      button.setAttribute("aria-pressed", term === picked[0] && place === picked[1]);
      button.appendChild(make("img")).src = picture;
      button.addEventListener("click", () => pick(term, place));
    });
    const average = box.appendChild(make("img", "average"));
    average.src = solved.averages[term];
    average.alt = "Average of the three faces of " + LETTERS[term];
    box.append(make("p", "caption", words[term] || LETTERS[term]));
    return [box, make("p", "sign" + (term === 2 ? " equals" : ""), "–+="[term])];
  });
  const outcome = make("div", "term outcome"), grid = outcome.appendChild(make("div", "results"));
  solved.results.forEach(({ picture }, place) => {
    const button = grid.appendChild(make("button"));
    button.setAttribute("aria-label", place === MIDDLE ? "The result" : "The result with a little noise, " + (place + 1));
    button.setAttribute("aria-pressed", place === result);
    button.appendChild(make("img")).src = picture;
    button.addEventListener("click", () => { result = place; showSum(); find(".results").children[place].focus(); });
  });
  outcome.append(make("p", "caption", words[3] || LETTERS[3]));
  equation.replaceChildren(...parts, outcome);
  find(".picking").textContent = "Face " + (picked[1] + 1) + " of " + LETTERS[picked[0]] + " is seed " + terms[picked[0]][picked[1]] + ". Choose another:";
  for (const choice of all(".choices button")) choice.setAttribute("aria-pressed", Number(choice.dataset.seed) === terms[picked[0]][picked[1]]);
}

function pick(term, place) {
  picked = [term, place];
  showSum();
  find(".equation").querySelectorAll(".small")[term].children[place].focus();
}

function put(seed) {
  const [term, place] = picked;
  terms[term][place] = seed;
  words = words.map((word, i) => (i === term || i === 3 ? "" : word));
  picked = place + 1 < terms[term].length ? [term, place + 1] : [(term + 1) % 3, 0];
  solve();
}

async function choices(start) {
  const name = model;
  const answer = await request("arithmetic_grid", { model: name, start: start }, find(".sum-message"));
  if (name !== model || !answer.faces) return;
  first = answer.start;
  find(".earlier").disabled = first === 0;
  find(".choices").replaceChildren(...answer.faces.map((picture, i) => {
    const button = make("button");
    button.dataset.seed = first + i;
    button.setAttribute("aria-label", "Put seed " + (first + i) + " in this place");
    button.appendChild(make("img")).src = picture;
    button.append(make("span", "", first + i));
    button.addEventListener("click", () => put(first + i));
    return button;
  }));
  showSum();
}

find(".example").addEventListener("click", () => startSum());
find(".earlier").addEventListener("click", () => choices(first - all(".choices button").length));
find(".later").addEventListener("click", () => choices(first + all(".choices button").length));
find(".pick-seed").addEventListener("submit", (event) => {
  event.preventDefault();
  put(Number(find(".pick-seed input").value));
});
find(".take").addEventListener("click", () => {
  document.dispatchEvent(new CustomEvent("face-wanted", { detail: solved.results[result].face }));
  [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === "Explore").click();
  window.scrollTo(0, 0);
});
find(".into").addEventListener("click", async () => {
  const added = await addFaces([solved.results[result].face]);
  find(".sum-said").textContent = added ? "Added: it is the last face of the morph." : find(".told").textContent;
});
find(".sum-save").addEventListener("click", async () => {
  const file = await request("arithmetic_save", { model: model, terms: terms, names: LETTERS.map((letter, i) => words[i] || letter) }, find(".sum-said"));
  if (file.problem) return;
  save(file);
  find(".sum-said").textContent = "Saved " + file.name;
});

// ---- life -----------------------------------------------------------------------------------------------------------

function receive() {
  const value = props.value || {};
  if (value.film) return receiveFilm(value.film);
  if (value.failed) return making && endMaking("The server did not make this film: try again in a moment.");
  if (value.explored) return addFaces([value.explored]);
  if (value.problem) {
    find(".message").textContent = value.problem;
    find(".message").hidden = false;
  }
  if (value.chosen) chosen = true;
  if (value.model) useModel(value.model, value.start);
}

watch("value", receive);
showNumbers();
show(null);
showSum();
watchOpening(() => trigger("opened", { chosen: before?.model ?? (chosen ? model : "") }), () => film.pause());
