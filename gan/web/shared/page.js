// What belongs to the whole page and to no tab of it.
import { announceFaces } from "./announcing.js";
import { easeRanges } from "./ranges.js";
import { mount as mountTabs } from "./tabs.js";
import { listen } from "./telling.js";

export function mount() {
  mountTabs();
  easeRanges(document);
  announceFaces(document.body);
  // The first face is there: what other tabs need may come, of which a page that is open must have all (gan/ui/web.py).
  listen("stage-filled", () => {
    for (const link of document.querySelectorAll("link[rel=later]")) link.rel = "modulepreload";
  });
}
