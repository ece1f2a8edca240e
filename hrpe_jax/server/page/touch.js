// Fingers: a tap selects a bar, and a bar that is held is the other end of the selection.
import {project} from "./project.js";

const HOLD = 450, STILL = 10; // milliseconds; pixels that a finger may move meanwhile
let timer = 0, from = null, done = false;

// To be called where a finger comes down on a bar.
export function holdToExtend(event, number) {
  done = false;
  from = [event.clientX, event.clientY];
  clearTimeout(timer);
  if (!project.selection) return;
  timer = setTimeout(() => { done = true; project.choose(number, true); navigator.vibrate?.(10); }, HOLD);
}

// Whether the finger that goes up now was held, so that its click is none.
export const held = () => done;

for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => clearTimeout(timer));
addEventListener("pointermove", (event) => {
  if (from && Math.hypot(event.clientX - from[0], event.clientY - from[1]) > STILL) clearTimeout(timer);
});
addEventListener("contextmenu", (event) => { if (event.pointerType === "touch" && event.target.closest("#sheet, #roll")) event.preventDefault(); });
