// How a moment of the training, in images seen, moves along the axis. No DOM.
import { lastAt } from "./scale.js";

const SECONDS = [4, 14]; // for the whole axis at speed 1: 0.25 s a sheet, within these

// Where the playhead is after so many seconds more: a moment, at the end `ended`.
export function advance(axis, moment, passed, { sheets, speed, loop }) {
  const seconds = Math.min(SECONDS[1], Math.max(SECONDS[0], sheets / 4)) / speed;
  const share = axis.to(moment) + Math.min(0.1, passed / seconds);
  if (share < 1) return { moment: axis.from(share), ended: false };
  return loop ? { moment: 0, ended: false } : { moment: axis.most, ended: true };
}

// So many sheets on, or back: the moments of the sheets are sorted. null where there are none.
export function step(moments, moment, by) {
  if (!moments.length) return null;
  let at = lastAt(moments, moment + 0.5);
  if (by < 0 && moment > moments[Math.max(0, at)] + 0.5) at += 1; // back from between two: to the one that is shown
  return moments[Math.max(0, Math.min(moments.length - 1, at + by))];
}
