// A component's value: the callback is given what it is now, if anything, and what it becomes, each once.
const NONE = {};

export function follow({ props, watch }, callback) {
  let known = props.value;
  watch("value", () => {
    const isNew = props.value !== known; // else it came just before this was called, and Gradio tells of it only now
    known = NONE;
    if (isNew) callback(props.value);
  });
  if (known) callback(known);
}
