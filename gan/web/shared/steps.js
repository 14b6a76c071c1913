// The states that were there, one after the other, and a place among them.
const MOST = 100;

// same: whether two states are one.
export function buildSteps(same) {
  let states = [];
  let at = -1;

  return {
    // Another state: those that were taken back are gone.
    put(state) {
      if (at >= 0 && same(states[at], state)) return;
      states = [...states.slice(0, at + 1), state].slice(-MOST);
      at = states.length - 1;
    },
    // The state that is `by` steps from here, and from now on the place; null where there is none.
    go(by) {
      if (!states[at + by]) return null;
      at += by;
      return states[at];
    },
    has: (by) => Boolean(states[at + by]),
  };
}
