// What cards/ holds of the models: rows and pages of the Models tab, and the cards beside choices.
import { mount } from "../shared/brief.js";
import { component } from "./component.js";

// name: of a file, without its ending.
export async function file(name) {
  const response = await fetch(new URL(`cards/${name}.json`, document.baseURI));
  if (!response.ok) throw new Error(`${response.url} was not sent: status ${response.status}`);
  return response.json();
}

// Mounts the card beside a choice; gives what is to be told of the model that this shows.
export function cardBeside(choice) {
  const element = document.getElementById(`${choice}-card`);
  const card = component(element, { server: { models_brief: () => file("briefs") } });
  mount(card.mounted);
  return card.set;
}
