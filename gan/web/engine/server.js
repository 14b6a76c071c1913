// An engine draws faces: draw(face, smooth) -> {picture, score, milliseconds, about}, or {notice} in the picture's place
// where the model cannot draw it, or {problem, unanswered} where there was no answer. This one asks the page's server.
import { ask } from "../shared/asking.js";

// server: as `mount` is given it.
export function serverEngine(server) {
  return {
    // face: as shared/state.js has it; smooth: to be enlarged without visible pixels.
    // picture: what an <img> takes; score: the critic's, 0 to 1, or null, or undefined where it comes `later`, a
    // promise of it, or of undefined where another picture was asked for meanwhile; about: the model's size, numbers, training.
    draw: (face, smooth) => ask(server, "draw", { face: JSON.stringify(face), pixels: !smooth }),
  };
}
