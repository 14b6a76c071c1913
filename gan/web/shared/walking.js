// Groups of buttons that are one stop for the Tab key; arrow keys, Home and End walk inside of them.
const CHOSEN = "[aria-pressed=true], [aria-current=true]";

// root: stays while the groups in it are filled anew; groups, items: selectors, the latter inside of a group.
export function walk(root, groups, items = "button") {
  const all = (group) => [...group.querySelectorAll(items)].filter((item) => !item.disabled);
  const inView = (group) => all(group).filter((item) => item.offsetParent !== null);

  function stopAt(group, stop) {
    for (const item of all(group)) item.tabIndex = item === stop ? 0 : -1;
  }

  function arrange() {
    for (const group of root.querySelectorAll(groups)) {
      const known = all(group);
      const stops = known.filter((item) => item.tabIndex === 0);
      if (stops.length !== 1) stopAt(group, known.find((item) => item.matches(CHOSEN)) ?? known[0]);
    }
  }

  root.addEventListener("focusin", ({ target }) => {
    const group = target.closest(groups);
    if (group && root.contains(group) && all(group).includes(target)) stopAt(group, target);
  });
  root.addEventListener("keydown", (event) => {
    const group = event.target.closest(groups);
    if (!group || event.ctrlKey || event.altKey || event.metaKey) return;
    const known = inView(group);
    const next = known.includes(event.target) && after(known, event.target, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  const concerns = ({ target }) => target.closest(groups) || target.querySelector(groups);
  const watcher = new MutationObserver((changes) => changes.some(concerns) && arrange());
  watcher.observe(root, { childList: true, subtree: true, attributeFilter: ["disabled"] });
  arrange();
}

// The item that a key goes to from another; nothing for a key that goes nowhere.
function after(items, item, key) {
  const at = items.indexOf(item);
  if (key === "Home") return items[0];
  if (key === "End") return items.at(-1);
  if (key === "ArrowRight") return items[at + 1];
  if (key === "ArrowLeft") return items[at - 1];
  if (key !== "ArrowUp" && key !== "ArrowDown") return null;
  const [middle, line] = middleOf(item);
  const isBeyond = ([, other]) => (key === "ArrowDown" ? other > line + 1 : other < line - 1);
  const far = (other) => {
    const [x, y] = middleOf(other);
    return 1000 * Math.abs(y - line) + Math.abs(x - middle); // the next row, and in it the nearest
  };
  const beyond = items.filter((other) => isBeyond(middleOf(other)));
  return beyond.sort((one, other) => far(one) - far(other))[0];
}

function middleOf(item) {
  const { left, right, top, bottom } = item.getBoundingClientRect();
  return [Math.round((left + right) / 2), Math.round((top + bottom) / 2)];
}
