// The page's address follows the face.
const OURS = ["model", "seed", "truncation", "latent", "move", "z", "own"]; // of the address
const PAUSE = 400; // milliseconds: browsers allow only some 100 changes of the address in 30 seconds
let timer;

export function keepAddress(query) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const others = [...new URLSearchParams(location.search)].filter(([key]) => !OURS.includes(key));
    const rest = new URLSearchParams(others).toString();
    history.replaceState(history.state, "", `${location.pathname}?${query}${rest && `&${rest}`}${location.hash}`);
  }, PAUSE);
}
