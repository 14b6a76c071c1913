// Sliders, choices and tabs with the classes and labels of Gradio's, so that styles, scripts and screen readers find the
// same in both editions.
import { fill, html } from "../shared/html.js";

// element: is filled; info: a line below the label; back: the value that its reset button gives, where it has one.
export function slider(element, { label, info = "", min, max, step, value, back }) {
  const reset = html`<button type="button" class="reset-button" data-testid="reset-button" title="Reset to ${back}"
    aria-label="Reset ${label} to its default">↺</button>`;
  fill(
    element,
    html`<div class="wrap"><div class="head"><label><span data-testid="block-info">${label}</span>
      ${info && html`<small>${info}</small>`}</label>
      <div class="tab-like-container"><input type="number" data-testid="number-input" min="${min}" max="${max}"
        step="${step}">${back !== undefined && reset}</div></div>
      <div class="slider_input_container"><input type="range" min="${min}" max="${max}" step="${step}"></div></div>`,
  );
  const [number, range] = ["number", "range"].map((type) => element.querySelector(`input[type=${type}]`));
  const colour = () => {
    const share = (range.value - range.min) / (range.max - range.min);
    range.style.setProperty("--range_progress", `${100 * share}%`);
  };
  const put = (given) => {
    number.value = range.value = given;
    colour();
  };
  const name = (words) => {
    element.querySelector("[data-testid=block-info]").textContent = words;
    number.setAttribute("aria-label", `number input for ${words}`);
    range.setAttribute("aria-label", `range slider for ${words}`);
  };
  range.addEventListener("input", () => put(range.value));
  number.addEventListener("input", () => {
    range.value = number.value;
    colour();
  });
  number.addEventListener("change", () => put(Math.min(Math.max(number.value, number.min), number.max))); // it is left
  element.querySelector(".reset-button")?.addEventListener("click", () => put(back));
  name(label);
  put(value);
  return {
    get value() {
      return Number(number.value);
    },
    set(given, changes = {}) {
      if (changes.label) name(changes.label);
      put(given);
    },
  };
}

// A row of small switches, of which one is on. chosen: is told which, when the visitor has switched.
export function radio(element, label, chosen) {
  element.innerHTML = '<div class="wrap" role="radiogroup"></div>';
  const wrap = element.firstChild;
  wrap.setAttribute("aria-label", label);
  const mark = () => {
    for (const choice of wrap.children) choice.classList.toggle("selected", choice.firstChild.checked);
  };
  wrap.addEventListener("change", (event) => {
    mark();
    chosen(event.target.value);
  });
  return {
    get value() {
      return wrap.querySelector(":checked")?.value ?? null;
    },
    set(choices, value) {
      const known = [...wrap.querySelectorAll("input")].map((input) => input.value);
      if (known.join("\n") !== choices.join("\n"))
        fill(
          wrap,
          choices.map(
            (choice) =>
              html`<label><input type="radio" name="${element.id}" value="${choice}"><span>${choice}</span></label>`,
          ),
        );
      for (const input of wrap.querySelectorAll("input")) input.checked = input.value === value;
      mark();
    },
  };
}

// A choice among names. chosen: is told which, when the visitor has chosen; shown: is told what it shows, whoever chose.
export function dropdown(element, label, chosen, shown) {
  fill(
    element,
    html`<label><span data-testid="block-info">${label}</span><select aria-label="${label}"></select></label>`,
  );
  const select = element.querySelector("select");
  select.addEventListener("change", () => {
    shown(select.value);
    chosen(select.value);
  });
  return {
    get value() {
      return select.value;
    },
    // choices: [{name, label}].
    set(choices, value) {
      const known = [...select.options].map((option) => option.value);
      if (known.join("\n") !== choices.map(({ name }) => name).join("\n"))
        fill(
          select,
          choices.map(({ name, label }) => html`<option value="${name}">${label}</option>`),
        );
      select.value = value;
      shown(select.value);
    },
  };
}

// element: holds [role=tab]s, each of which controls a [role=tabpanel].
export function tabs(element) {
  const all = [...element.querySelectorAll("[role=tab]")];
  const open = (wanted) => {
    for (const tab of all) {
      const isWanted = tab === wanted;
      tab.setAttribute("aria-selected", String(isWanted));
      tab.tabIndex = isWanted ? 0 : -1;
      tab.classList.toggle("selected", isWanted);
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isWanted;
    }
  };
  const steps = { ArrowLeft: -1, ArrowRight: 1 };
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      if (!steps[event.key]) return;
      const next = all.at((at + steps[event.key]) % all.length);
      open(next);
      next.focus();
    });
  }
}
