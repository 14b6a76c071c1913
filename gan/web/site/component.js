// What Gradio does for a component, where there is no Gradio: the page's modules are mounted by both alike.

// facts: other properties; server: functions that the module may ask; on: what is done at the events that it triggers.
// Gives what `mount` takes as `mounted`, and `set`, which gives the component a value.
export function component(element, { facts = {}, server = null, on = {} } = {}) {
  const watchers = [];
  const props = { ...facts, value: undefined };
  return {
    mounted: {
      element,
      props,
      server,
      trigger: (event, detail = {}) => on[event]?.(detail),
      watch: (_, changed) => watchers.push(changed),
    },
    set(value) {
      props.value = value;
      for (const changed of watchers) changed();
    },
  };
}
