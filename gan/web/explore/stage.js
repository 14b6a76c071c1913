// The large picture, and the page's state. A moved control is answered from here, past Gradio's events, which copy
// every component's properties in the browser for each of them: that takes longer than drawing the picture.
import { drawn as drawnBy, offer, prepare } from "../engine/choosing.js";
import { drawsAlike } from "../engine/parity.js";
import { serverEngine } from "../engine/server.js";
import { follow } from "../shared/following.js";
import { remember, remembered } from "../shared/remembering.js";
import { change, same, given } from "../shared/state.js";
import { listen, tell } from "../shared/telling.js";
import { entitle } from "../shared/words.js";
import { keepAddress } from "./address.js";
import { watchWishes } from "./another.js";
import { isSmooth, keyOf, numberOf, watchControls } from "./controls.js";
import { watchDrawer } from "./drawer.js";
import { showFace, showNotice, showScore } from "./picture.js";
import { knowMarks } from "./standing.js";
import { watchWandering } from "./wander.js";

const AGAIN = 5; // seconds after a move that stayed unanswered

export function mount({ element, trigger, server, ...component }) {
  const engine = serverEngine(server);
  // Without a server, who mounts this has offered it.
  if (server) offer(component.props.browser, (model, local) => drawsAlike(model, local, engine));
  const showDrawer = watchDrawer(element);
  let face = null; // the state; null while there is none
  let sent = 0; // counts the states that Python has sent, so that an answer to an older one is dropped
  let about = null; // what is known of its model
  let asking = null; // promise, while it is drawn
  let moved = false;
  let noted = { face: null, note: "" }; // what stands above the picture of that face alone
  let before = remembered("face"); // the state before a reload, which the address may not have reached

  // One question at a time; what is moved meanwhile is asked next, and only as it is then.
  function move() {
    moved = true;
    asking ??= draw().finally(() => {
      asking = null;
    });
    return asking;
  }

  async function draw() {
    while (moved) {
      moved = false;
      const asked = { face, sent, smooth: isSmooth() };
      const drawn = await drawnBy(
        face.model,
        (local) => local.draw(asked.face, asked.smooth),
        () => engine.draw(asked.face, asked.smooth),
      );
      if (asked.sent !== sent) continue;
      tell("face-problem", drawn.problem ?? "");
      if (drawn.unanswered) setTimeout(() => asked.sent === sent && move(), 1000 * AGAIN);
      if (drawn.problem) continue; // the last picture stays
      show(asked.face, drawn, asked.smooth, asked.face === noted.face ? noted.note : "");
    }
  }

  // Another face, drawn when the promise is kept.
  function steer(other) {
    face = other;
    const drawn = move();
    tell("face-moved", JSON.stringify(face));
    remember("face", face);
    return drawn;
  }

  function show(face, drawn, smooth, note) {
    about = drawn.about;
    if (drawn.notice) {
      showNotice(element, drawn.notice);
      return tell("face-shown", { model: face?.model, query: "", seed: "" });
    }
    const { query, seed } = showFace(element, face, drawn, smooth, note);
    showDrawer();
    tell("face-shown", { model: face.model, query, seed, about });
    keepAddress(query, face);
    prepare(face.model);
    const mine = about;
    drawn.later?.then(
      (score) => score !== undefined && about === mine && showScore(element, score),
      () => about === mine && showScore(element), // it stays on its way
    );
  }

  function take(input) {
    if (!face) return;
    const key = keyOf(input);
    const value = numberOf(input);
    if (key && value === null) return;
    steer(key ? change(face, key, value) : face);
  }
  watchControls(take, (key) => face && given(face, key));
  listen("face-steered", ({ face: other, isDone }) => {
    steer(other);
    if (isDone) trigger("put"); // of the controls
  });
  watchWandering(element, () => face && about && { face, about }, steer);
  watchWishes(
    () => ({ face, isDrawn: Boolean(about) }),
    (other) => {
      steer(other);
      trigger("put"); // of the controls
    },
    (state) => trigger("restore", { state }),
  );

  follow(component, (shown) => {
    face = shown.face ? JSON.parse(shown.face) : null;
    if (face && shown.title) entitle(face.model, shown.title);
    if (face && shown.marks) knowMarks(face.model, shown.marks);
    sent += 1;
    noted = { face, note: shown.note };
    const wanted = face && before;
    if (face) before = null;
    if (face) tell("face-moved", shown.face);
    show(face, shown, isSmooth(), shown.note);
    if (!shown.notice) remember("face", face);
    if (wanted && !same(wanted, face)) tell("face-wanted", JSON.stringify(wanted));
    tell("stage-filled");
  });
}
