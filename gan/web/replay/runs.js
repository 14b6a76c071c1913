// The one or two runs that are shown: their numbers and their sheets, which come once, and then only what is new.
import { lastAt } from "./scale.js";

const AT_A_TIME = 12; // sheets in one question, after the first

// ask: of the server, a function's name and its dict; moment: now, in images seen; changed: is called when numbers or
// problems came; arrived: when sheets did; busy: is told whether something is under way.
export function buildRuns({ ask, moment, changed, arrived, busy }) {
  const slots = [0, 1].map(() => ({ name: "", data: null, pictures: new Map(), asking: 0 }));
  let refreshing = 0;
  let failed = "";
  let again = false; // why there is no answer, and whether to ask once more

  const active = () => slots.filter((slot) => slot.name && slot.data);
  const fail = (answer) => {
    failed = answer.problem;
    again = Boolean(answer.unanswered);
  };

  // Shows other runs, "" for none; true where the first one is another than before.
  function choose(names) {
    const isOther = names[0] !== slots[0].name;
    slots.forEach((slot, i) => {
      if (slot.name === names[i]) return;
      for (const picture of slot.pictures.values()) picture?.close();
      Object.assign(slot, { name: names[i], data: null, pictures: new Map() });
    });
    return isOther;
  }

  async function refresh() {
    const wanted = slots.filter((slot) => slot.name);
    busy(++refreshing > 0);
    let isNew = Boolean(failed);
    failed = "";
    again = false;
    await Promise.all(
      wanted.map(async (slot) => {
        const name = slot.name;
        const answer = await ask("replay_run", { name, stamp: slot.data?.stamp ?? null });
        if (slot.name !== name || answer.unchanged) return; // another run was chosen meanwhile
        isNew = true;
        if (answer.sheets) slot.data = answer;
        else fail(answer); // what is there stays
      }),
    );
    if (isNew) changed();
    if (!failed) await Promise.all(wanted.map(fetchSheets));
    busy(--refreshing > 0);
  }

  // The sheet of the moment first, then the others, several in one answer.
  async function fetchSheets(slot) {
    if (!slot.data) return;
    const name = slot.name;
    const asking = ++slot.asking;
    const current = sheetAt(slot);
    const missing = slot.data.sheets.filter((sheet) => !slot.pictures.has(key(sheet)));
    missing.sort((a, b) => (b === current) - (a === current));
    for (let amount = 1; missing.length && slot.name === name && slot.asking === asking; amount = AT_A_TIME) {
      const batch = missing.splice(0, amount);
      const answer = await ask("replay_sheets", { name, sheets: batch.map(([number]) => number) });
      if (slot.name !== name) return;
      if (!answer.sheets) {
        fail(answer);
        return changed();
      }
      for (const [number, , content] of answer.sheets) {
        const sheet = batch.find(([other]) => other === number);
        slot.pictures.set(key(sheet), content && (await decode(content)));
      }
      // What did not fit into this answer.
      if (answer.sheets.length) missing.unshift(...batch.filter((sheet) => !slot.pictures.has(key(sheet))));
      arrived();
    }
  }

  // [number, images seen, version, epoch, seconds], null where there is none.
  function sheetAt(slot) {
    const sheets = slot.data?.sheets ?? [];
    return (
      sheets[
        Math.max(
          0,
          lastAt(sheets, moment() + 0.5, ([, images]) => images),
        )
      ] ?? null
    );
  }

  // What there is to show of the moment: its sheet, or while that is on its way the nearest of those that are here.
  function shownAt(slot) {
    const wanted = sheetAt(slot);
    if (!wanted || slot.pictures.has(key(wanted))) return wanted;
    const { sheets } = slot.data;
    const far = sheets.map((sheet, at) => [Math.abs(at - sheets.indexOf(wanted)), sheet]);
    const here = far.filter(([, sheet]) => slot.pictures.get(key(sheet)));
    return here.sort(([one], [other]) => one - other)[0]?.[1] ?? wanted;
  }

  return {
    slots,
    active,
    choose,
    refresh,
    sheetAt,
    shownAt,
    // An ImageBitmap; undefined while it is on its way, null of a damaged file.
    pictureOf: (slot, sheet) => sheet && slot.pictures.get(key(sheet)),
    get failed() {
      return failed;
    },
    get again() {
      return again;
    },
  };
}

// What people call its run.
export const titleOf = (slot) => slot.data?.title ?? slot.name;

const key = ([number, , version]) => `${number}:${version}`;

// WebP in base64 -> ImageBitmap, null where it is damaged.
export async function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  try {
    return await createImageBitmap(new Blob([bytes], { type: "image/webp" }));
  } catch {
    return null;
  }
}
