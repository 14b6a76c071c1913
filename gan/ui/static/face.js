// The state as a value that Gradio's events take: it follows every move, before the picture does.
document.addEventListener("face-moved", (event) => {
  props.value = event.detail;
});
