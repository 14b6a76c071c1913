// The state as a value that Gradio's events take: it follows every move, before the picture does.
import { listen } from "../shared/telling.js";

export function mount({ props }) {
  listen("face-moved", (state) => {
    props.value = state;
  });
}
