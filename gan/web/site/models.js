// Models in the static edition: what gan/ui/models.py is for Gradio. All that is shown lies in files, cards/.
import { mount } from "../models/models.js";
import { file } from "./cards.js";
import { component } from "./component.js";

const NO_CARD = "This page did not come: there is no network, and this browser has not kept it.";

export function mountModels() {
  const server = { models_list: () => file("models"), models_page };
  mount(component(document.getElementById("models-viewer"), { server }).mounted);
}

async function models_page({ name, page }) {
  try {
    return (await file(`pages/${encodeURIComponent(name)}`))[page];
  } catch (error) {
    console.warn(error);
    return { problem: NO_CARD };
  }
}
