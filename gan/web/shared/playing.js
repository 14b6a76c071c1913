// Playing, and the button that shows it: `advance` is called for every picture of the display, with the seconds since
// the one before, and may itself pause.
export function player(button, advance) {
  let playing = false;
  let last = 0;
  let next = 0;
  const show = () => {
    button.classList.toggle("playing", playing);
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    button.querySelector(".word").textContent = playing ? "Pause" : "Play";
  };
  const tick = (now) => {
    const seconds = Math.max(0, now - last) / 1000;
    last = now;
    next = requestAnimationFrame(tick);
    advance(seconds);
  };
  return {
    get playing() {
      return playing;
    },
    play() {
      if (playing) return;
      playing = true;
      last = performance.now();
      show();
      next = requestAnimationFrame(tick);
    },
    pause() {
      playing = false;
      cancelAnimationFrame(next);
      show();
    },
  };
}
