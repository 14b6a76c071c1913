// How near a search came, in words and as a line. No DOM.
//
// told: {step, steps, psnr: dB at the beginning and after each step, features: the distances likewise, note}.

const WORDS = [
  [14, "far from it"],
  [17, "a rough likeness"],
  [20, "alike"],
  [24, "close"],
  [28, "very close"],
  [Infinity, "nearly the same"],
]; // below so many dB

export const closeness = (psnr) => WORDS.find(([limit]) => psnr < limit)[1];

// Sentences, as a list of {text, strong}.
export function facts(told) {
  const plain = (text) => ({ text, strong: false });
  const strong = (text) => ({ text, strong: true });
  const note = told.note ? [plain(`${told.note} `)] : [];
  if (told.step === 0) return [...note, plain("The first guess is there; now it comes nearer step by step.")];
  const psnr = told.psnr.at(-1);
  return [
    ...note,
    plain(told.step < told.steps ? `Stopped after ${told.step} steps: ` : "Found: "),
    strong(`${psnr.toFixed(1)} dB`),
    plain(` PSNR, ${closeness(psnr)} (the first guess: ${told.psnr[0].toFixed(1)} dB). `),
    plain("Distance in what the network sees: "),
    strong(told.features.at(-1).toFixed(2)),
    plain(` (the first guess: ${told.features[0].toFixed(2)}).`),
  ];
}

// The points of the descent in a box, [x, y] each.
export function descent({ psnr, steps }, { left, right, top, bottom }) {
  const low = Math.min(...psnr);
  const high = Math.max(...psnr, low + 2);
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  return psnr.map((value, step) => [left + ((right - left) * step) / steps, y(value)]);
}
