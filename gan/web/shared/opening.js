// Tells a tab's viewer when it comes into view and goes out of it. Whoever is here before Explore's first face waits
// for it: the tabs begin with Explore's model, and only that face's answer says which one a link names.
import { listen } from "./telling.js";

export function watchOpening(element, opened, closed = () => {}) {
  let isOpen = false;
  const look = () => {
    const inView = element.offsetParent !== null;
    if (inView === isOpen || (inView && document.querySelector("#stage .waiting"))) return;
    isOpen = inView;
    (isOpen ? opened : closed)();
  };
  new IntersectionObserver(look).observe(element);
  listen("stage-filled", look);
}
