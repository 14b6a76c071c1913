// Photo in the static edition: what gan/ui/photo.py is for Gradio. The photo does not leave the browser.
import { drawn } from "../engine/choosing.js";
import { mount } from "../photo/photo.js";
import { cardBeside } from "./cards.js";
import { component } from "./component.js";
import { dropdown } from "./controls.js";
import { named } from "./named.js";

const UNREADABLE = "This browser cannot read such a picture: expected a file like JPEG, PNG or WebP.";

// models: their names; explored: gives Explore's face as JSON, "" for none.
export function mountPhoto(models, explored) {
  async function about(model) {
    const facts = await drawn(
      model,
      (engine) => engine.open(model),
      () => null,
    );
    if (!facts) return { problem: `${model} did not come: choose another model, or try again later.` };
    return { about: { model, size: facts.image_size, faces: facts.channels === 3 }, problem: "" };
  }
  const chosen = async (model) => viewer.set({ ...(await about(model)), chosen: true });
  const choice = dropdown(document.getElementById("photo-model"), "Model", chosen, cardBeside("photo-model"));
  const viewer = component(document.getElementById("photo-viewer"), {
    server: { photo_open: () => ({ problem: UNREADABLE }) },
    on: {
      async opened({ chosen }) {
        const face = explored();
        const model = models.includes(chosen) ? chosen : face ? JSON.parse(face).model : models[0];
        choice.set(named(models), model);
        viewer.set(await about(model));
      },
    },
  });
  mount(viewer.mounted);
}
