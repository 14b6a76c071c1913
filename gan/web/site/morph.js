// Morph in the static edition: what gan/ui/morph.py is for Gradio.
import { mount } from "../morph/morph.js";
import { cardBeside } from "./cards.js";
import { component } from "./component.js";
import { dropdown } from "./controls.js";
import { pictureEquation } from "./equation.js";
import { makeFilm } from "./film.js";
import { named } from "./named.js";
import { canWebm } from "./webm.js";

// models: their names; explored: gives Explore's face as JSON, "" for none.
export async function mountMorph(models, explored) {
  const element = document.getElementById("morph-viewer");
  if (!(await canWebm())) element.querySelector(".morph").dataset.formats = "gif";
  let making = 0; // the number of the film that is being made
  const chosen = (model) => viewer.set({ model, chosen: true });
  const choice = dropdown(document.getElementById("morph-model"), "Model", chosen, cardBeside("morph-model"));

  async function make({ asked, number }) {
    making = number;
    const tell = (told) => making === number && viewer.set({ film: { ...told, number } });
    try {
      const made = await makeFilm(asked, tell, () => making !== number);
      if (made) tell(made);
    } catch (error) {
      console.warn(error);
      tell({ problem: `This film was not made (${error.message}): try another format.` });
    }
  }

  const viewer = component(element, {
    server: { arithmetic_save: pictureEquation },
    on: {
      opened({ chosen }) {
        const face = explored();
        const model = models.includes(chosen) ? chosen : face ? JSON.parse(face).model : models[0];
        choice.set(named(models), model);
        viewer.set({ model, start: face && JSON.parse(face).model === model ? face : "" });
      },
      explored: () => viewer.set({ explored: explored() }),
      make,
      give_up() {
        making = 0;
      },
    },
  });
  mount(viewer.mounted);
}
