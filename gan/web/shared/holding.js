// Whether a pointer is held down, anywhere on the page: what it moves is moved again in a moment.
let held = false;

export const isHeld = () => held;

// callback: is called whenever a pointer is let go.
export const onRelease = (callback) => {
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => callback());
};

for (const [event, now] of [
  ["pointerdown", true],
  ["pointerup", false],
  ["pointercancel", false],
])
  document.addEventListener(
    event,
    () => {
      held = now;
    },
    true, // before all who ask
  );
