// What belongs to the whole page and to no tab of it.
import { announceFaces } from "./announcing.js";
import { easeRanges } from "./ranges.js";
import { mount as mountTabs } from "./tabs.js";

export function mount() {
  mountTabs();
  easeRanges(document);
  announceFaces(document.body);
}
