// The large picture: tells the rest of the page what it shows, and keeps the address in step with it.
const OURS = ["model", "seed", "truncation", "z"];
let timer;

function keepAddress(query) {
  const others = [...new URLSearchParams(location.search)].filter(([key]) => !OURS.includes(key));
  const rest = new URLSearchParams(others).toString();
  history.replaceState(history.state, "", `${location.pathname}?${query}${rest && "&" + rest}${location.hash}`);
}

watch("value", () => {
  const picture = element.querySelector("[data-query]");
  if (!picture) return;
  document.dispatchEvent(new CustomEvent("face-shown", { detail: picture.dataset }));
  clearTimeout(timer);  // browsers allow only some 100 changes of the address in 30 seconds
  timer = setTimeout(keepAddress, 400, picture.dataset.query);
});
