// The static edition: what gan/ui puts together for Gradio, in a browser that has no server.
import { offer } from "../engine/choosing.js";
import { mount as mountPage } from "../shared/page.js";
import { listen } from "../shared/telling.js";
import { tabs } from "./controls.js";
import { mountExplore } from "./explore.js";
import { showLoading } from "./loading.js";
import { keepOffline } from "./offline.js";

const site = JSON.parse(document.getElementById("site").textContent);

tabs(document.getElementById("tabs"));
showLoading();
offer("./");
let face = ""; // Explore's, as JSON
listen("face-moved", (state) => {
  face = state;
});
await mountExplore(site.models);
mountPage();
keepOffline();
// The other tabs come after the first face.
const explored = () => face;
const [morph, photo, replay, models] = await Promise.all([
  import("./morph.js"),
  import("./photo.js"),
  import("./replay.js"),
  import("./models.js"),
]);
morph.mountMorph(site.models, explored);
photo.mountPhoto(site.models, explored);
replay.mountReplay(site.models, explored);
models.mountModels();
