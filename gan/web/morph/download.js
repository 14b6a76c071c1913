// A film as a file, made by the server, which tells how far it is.
import { save } from "../shared/files.js";
import { buildWork } from "../shared/working.js";

const FAILED = "The server did not make this film: try again in a moment.";
const SILENT = "Nothing has come from the server for half a minute: Cancel, and make it again.";

// asked: what to ask for now, but for its format; `side` in pixels.
export function buildDownload(root, trigger, asked) {
  const find = (selector) => root.querySelector(selector);
  const buttons = [...root.querySelectorAll(".formats button")];
  const formats = root.dataset.formats.split(" ");
  const work = buildWork(trigger, "make", () => say(SILENT));
  let isReady = false;
  let what = "";

  function say(sentence) {
    find(".kept").textContent = sentence;
  }

  function show(share) {
    find(".progress").hidden = !work.isRunning;
    find(".bar").setAttribute("aria-valuenow", Math.round(100 * share));
    find(".bar i").style.width = `${100 * share}%`;
    for (const button of buttons) button.disabled = work.isRunning || !isReady;
  }

  function end(sentence) {
    work.end();
    show(0);
    say(sentence);
  }

  function receive(told) {
    if (!work.hears(told)) return; // of one that was given up
    if (told.waiting) return say(told.waiting);
    if ("share" in told) {
      say(what);
      return show(told.share);
    }
    if (told.problem) return end(told.problem);
    save(told);
    const bytes = (told.content.length * 3) / 4;
    end(`Saved ${told.name}, ${bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`}`);
  }

  for (const button of buttons) {
    const { format } = button.dataset;
    button.hidden = !formats.includes(format);
    button.addEventListener("click", () => {
      const wanted = { ...asked(), format };
      what = `Making ${button.textContent}, ${wanted.side} pixels…`;
      work.begin(wanted);
      show(0);
      say("Waiting for its turn…");
    });
  }
  find(".cancel").addEventListener("click", () => {
    work.giveUp();
    end("Given up.");
  });

  return {
    receive,
    fail: () => work.isRunning && end(FAILED),
    // The film is another one: what became of the last is no longer of interest.
    forget: () => work.isRunning || say(""),
    // Whether there is a film to make.
    allow(isThere) {
      isReady = isThere;
      for (const button of buttons) button.disabled = work.isRunning || !isReady;
    },
  };
}
