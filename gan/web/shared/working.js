// Dear work of the server that tells how far it is: one at a time, nothing that was given up is listened to, and
// nothing is waited for in silence, since who works may have died with its connection open.
const SILENCE = 30; // seconds

// event: of the viewer, answered as gan.ui.viewer.on_work does; silent: is called after a long silence.
export function buildWork(trigger, event, silent) {
  let number = 0;
  let news;

  function expect() {
    clearTimeout(news);
    news = setTimeout(silent, 1000 * SILENCE);
  }

  function end() {
    clearTimeout(news);
    number = 0;
  }

  return {
    get isRunning() {
      return number > 0;
    },
    begin(asked) {
      number = Date.now();
      expect();
      trigger(event, { asked, number });
    },
    // Whether what was told belongs to it.
    hears(told) {
      if (told.number !== number) return false;
      expect();
      return true;
    },
    end,
    giveUp() {
      if (number) trigger("give_up");
      end();
    },
  };
}
