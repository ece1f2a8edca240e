// The notation: parts of lines in SVG from the server, a box over every bar, notes and chords that can be clicked.
import {post} from "./api.js";
import {$, make} from "./dom.js";
import {openChords} from "./chordfield.js";
import {held, holdToExtend} from "./touch.js";
import {project, pitchName} from "./project.js";
import {TEXT} from "./text.js";

const svgs = new Map(); // key of a line -> its SVG text
let parts = []; // {section, lines, marks, first, bars}
const boxes = new Map(); // number of a bar -> its box
let marked = []; // notes that carry a mark
let generation = 0, shownRevision = "", emptyBox = null;
const host = $("sheet");

const perLine = () => (host.clientWidth < 420 ? 2 : host.clientWidth < 640 ? 3 : 4);
let lineSize = perLine(), wide = 0; // bars a line; pixels of a line

project.on((what) => {
  if (what === "selection") mark();
  else draw(what === "project");
});
new ResizeObserver(() => {
  wide = host.querySelector(".stave")?.clientWidth || 0;
  if (perLine() !== lineSize && project.now) { lineSize = perLine(); draw(true); }
}).observe(host);

async function draw(whole) {
  const mine = ++generation;
  if (whole) { host.scrollTop = 0; shownRevision = ""; }
  const stamp = [project.id, project.now.revision, project.preview?.job, project.preview?.candidate, lineSize].join();
  if (stamp === shownRevision) { mark(); return; }
  let number = 0, count = 1;
  while (number < count) {
    let part;
    try {
      part = await post(project.base + "/notation", {part: number, bars_per_line: lineSize, have: [...svgs.keys()].slice(-400), ...project.which});
    } catch (problem) {
      if (mine === generation) host.replaceChildren(make("p", {class: "soft", text: problem.message}));
      return;
    }
    if (mine !== generation) return;
    count = part.parts;
    place(part);
    number++;
  }
  for (const old of parts.splice(count)) old.section.remove();
  shownRevision = stamp;
  wide = host.querySelector(".stave")?.clientWidth || 0;
  empty();
  mark();
  project.tell("drawn");
}

// Puts a part in, and only draws the lines that changed.
function place(part) {
  let old = parts[part.part];
  if (!old) {
    old = {section: make("div", {class: "part"}), lines: []};
    parts[part.part] = old;
    if (host.firstChild && !host.querySelector(".part")) host.replaceChildren();
    host.append(old.section);
  }
  const stamp = JSON.stringify([part.first, part.lines.map((line) => line.key), part.marks]);
  if (old.stamp === stamp) return;
  old.stamp = stamp;
  const before = new Map(old.lines.map((line) => [line.key, line]));
  const lines = part.lines.map(({key, svg}) => {
    if (svg) svgs.set(key, svg);
    const same = before.get(key);
    before.delete(key);
    return same || drawLine(key, svgs.get(key));
  });
  old.lines = lines;
  const staves = lines.map((line) => line.box);
  if (staves.length !== old.section.children.length || staves.some((box, i) => old.section.children[i] !== box)) {
    const focused = old.section.contains(document.activeElement) ? document.activeElement.dataset.bar : null;
    old.section.replaceChildren(...staves);
    if (focused) barBox(Number(focused))?.focus({preventScroll: true});
  }
  if (svgs.size > 1500) for (const key of [...svgs.keys()].slice(0, 500)) svgs.delete(key);
  const byTick = new Map(part.marks.map(([tick, id]) => [id, tick]));
  for (const line of lines) line.items = line.named.filter((one) => byTick.has(one.id)).map((one) => [byTick.get(one.id), one]).sort((a, b) => a[0] - b[0]);
}

// A line of notes, with a button over each bar. All places come from the SVG's own numbers, so that lines
// that nobody sees yet need not be laid out.
function drawLine(key, text) {
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  const [, , across, tall] = svg.getAttribute("viewBox").split(" ").map(Number);
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  svg.setAttribute("aria-hidden", "true");
  const margin = numbers(svg.querySelector(".page-margin")?.getAttribute("transform"))[0] || 0;
  const buttons = [...svg.querySelectorAll("g.measure")].map((measure) => {
    const [left, , right] = numbers(measure.querySelector("g.staff > path")?.getAttribute("d"));
    return make("button", {class: "bar", type: "button", tabindex: "-1", "data-bar": Number(measure.id.slice(1)) + 1,
      style: {left: 100 * (margin + left) / across + "%", width: 100 * (right - left) / across + "%", top: "0", height: "100%"}});
  });
  for (const button of buttons) boxes.set(Number(button.dataset.bar), button);
  const box = make("div", {class: "stave", style: {"--tall": tall / across}}, ...buttons, svg);
  return {key, box, items: [], named: [...svg.querySelectorAll("[id]")], margin, across};
}

const numbers = (text) => (text?.match(/-?[0-9.]+/g) || []).map(Number);

// Selection, locks, alternatives and the picked note, on what is drawn.
function mark() {
  const {shown, selection, note, preview} = project;
  for (const [number, button] of boxes) {
    const bar = shown.bars[number - 1];
    if (!bar || !button.isConnected) { boxes.delete(number); continue; }
    const chosen = Boolean(selection) && number >= selection.first && number <= selection.last;
    const fresh = Boolean(preview) && number >= preview.view.first && number <= preview.view.last;
    const key = [chosen, number === (selection?.first || 1), fresh, bar[2], bar[3]].join();
    if (button.dataset.key === key) continue; // most of a long piece stays as it is
    button.dataset.key = key;
    button.setAttribute("aria-pressed", String(chosen));
    button.tabIndex = number === (selection?.first || 1) ? 0 : -1;
    button.classList.toggle("locked", bar[3]);
    button.classList.toggle("fresh", fresh);
    button.setAttribute("aria-label", TEXT.bar(number) + ", " + (bar[2] || TEXT.noChord) + (bar[3] ? ", " + TEXT.locked : ""));
  }
  for (const element of marked) element.classList.remove("picked", "fresh");
  marked = [];
  if (preview) {
    const from = shown.bars[preview.view.first - 1][0], last = shown.bars[preview.view.last - 1];
    for (const line of allLines()) for (const [tick, element] of line.items || []) if (tick >= from && tick < last[0] + last[1] && element.classList.contains("note")) { element.classList.add("fresh"); marked.push(element); }
  }
  const picked = note === null ? null : elementAt(note);
  if (picked) { picked.classList.add("picked"); marked.push(picked); }
}

const allLines = () => parts.flatMap((part) => part.lines);

function elementAt(tick) {
  for (const line of allLines()) for (const [at, element] of line.items || []) if (at === tick) return element;
  return null;
}

function empty() {
  const bare = !project.shown.notes.length && !project.shown.chords.length;
  emptyBox?.remove();
  emptyBox = null;
  if (!bare) return;
  emptyBox = make("div", {id: "empty"}, make("p", {text: TEXT.emptyText}),
    make("button", {class: "main", type: "button", text: TEXT.composeFirst, onclick: () => project.tell("compose")}),
    make("button", {class: "plain", type: "button", text: TEXT.typeChords, onclick: () => openChords(1)}));
  host.append(emptyBox);
}

// ---- Clicks and touches

let dragFrom = 0;
host.addEventListener("pointerdown", (event) => {
  const box = event.target.closest(".bar");
  if (!box || event.button) return;
  const number = Number(box.dataset.bar);
  if (event.pointerType === "touch") { holdToExtend(event, number); return; } // a tap selects; a finger may scroll
  project.choose(number, event.shiftKey);
  dragFrom = event.shiftKey ? 0 : number;
});
host.addEventListener("pointermove", (event) => {
  if (!dragFrom || !(event.buttons & 1)) return;
  const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("#sheet .bar");
  if (over && Number(over.dataset.bar) !== project.selection.last) project.select(dragFrom, Number(over.dataset.bar));
});
addEventListener("pointerup", () => { dragFrom = 0; });
host.addEventListener("dblclick", (event) => {
  const box = event.target.closest(".bar");
  if (box) openChords(Number(box.dataset.bar));
});
host.addEventListener("click", (event) => {
  const harm = event.target.closest(".harm"), head = event.target.closest(".note"), box = event.target.closest(".bar");
  if (box && event.pointerType === "touch" && !held()) project.choose(Number(box.dataset.bar));
  if (harm) openChords(Number(harm.closest(".measure").id.slice(1)) + 1);
  else if (head) {
    const tick = tickOf(head);
    if (tick !== null) { project.pick(tick); host.focus({preventScroll: true}); }
  }
});

function tickOf(element) {
  for (const line of allLines()) for (const [tick, one] of line.items || []) if (one === element) {
    const note = project.shown.notes.find((n) => n[0] <= tick && tick < n[0] + n[1]);
    return note ? note[0] : null;
  }
  return null;
}

// A note is dragged up and down by steps of the scale.
let drag = null;
host.addEventListener("pointerdown", (event) => {
  const head = event.target.closest(".note");
  if (!head || event.button || project.preview) return;
  const tick = tickOf(head);
  if (tick === null) return;
  event.preventDefault();
  const staff = head.closest(".staff").querySelectorAll(":scope > path");
  const gap = staff.length > 1 ? Math.abs(staff[1].getBoundingClientRect().top - staff[0].getBoundingClientRect().top) / 2 : 5;
  drag = {tick, from: event.clientY, gap, steps: 0, head};
  host.setPointerCapture(event.pointerId);
});
host.addEventListener("pointermove", (event) => {
  if (!drag) return;
  drag.steps = Math.round((drag.from - event.clientY) / drag.gap);
  drag.head.style.transform = drag.steps ? `translateY(${drag.from - event.clientY}px)` : "";
});
host.addEventListener("pointerup", () => {
  if (!drag) return;
  const {tick, steps, head} = drag;
  drag = null;
  head.style.transform = "";
  project.pick(tick);
  if (steps) project.act({do: "change_note", onset: tick, pitch: stepped(project.noteAt(tick)[2], steps)});
});
host.addEventListener("pointercancel", () => { if (drag) drag.head.style.transform = ""; drag = null; });

export function stepped(pitch, steps) {
  const scale = project.now.scale, sign = Math.sign(steps);
  for (let left = Math.abs(steps); left > 0; left--) do pitch += sign; while (!scale.includes(((pitch % 12) + 12) % 12));
  return Math.max(0, Math.min(127, pitch));
}

// ---- For others

export function barBox(number) { return boxes.get(number) || null; }

export function reveal(number) {
  const box = barBox(number)?.closest(".stave");
  if (!box) return;
  const top = box.offsetTop - host.scrollTop, tall = box.offsetHeight;
  if (top < 0 || top + tall > host.clientHeight) host.scrollTo({top: Math.max(0, top + host.scrollTop - 20)});
}

// The cursor of what plays, and the note that sounds. It moves by a transform, which needs no layout.
const cursor = make("div", {class: "cursor", "aria-hidden": "true"});
let sounding = null, cursorLine = null;
export function showCursor(tick, follow) {
  sounding?.classList.remove("sounds");
  sounding = null;
  if (tick === null) { cursor.remove(); cursorLine = null; return; }
  const number = project.barAt(tick), button = barBox(number);
  if (!button) return;
  const box = button.parentElement, bar = project.shown.bars[number - 1];
  const line = allLines().find((one) => one.box === box);
  const left = parseFloat(button.style.left) / 100, width = parseFloat(button.style.width) / 100;
  let x = left + width * (tick - bar[0]) / bar[1];
  // Between the places of two notes the cursor goes evenly.
  const items = line?.items || [];
  let at = -1;
  for (let i = 0; i < items.length && items[i][0] <= tick; i++) at = i;
  if (at >= 0) {
    const here = centre(items[at][1], line), after = items[at + 1];
    const end = after ? after[0] : bar[0] + bar[1], right = after ? centre(after[1], line) : left + width;
    x = here + (right - here) * Math.min(1, (tick - items[at][0]) / Math.max(1, end - items[at][0]));
    const note = project.shown.notes.find((n) => n[0] <= tick && tick < n[0] + n[1]);
    if (note && items[at][1].classList.contains("note")) { sounding = items[at][1]; sounding.classList.add("sounds"); }
  }
  if (cursorLine !== box) {
    box.append(cursor);
    cursorLine = box;
    if (follow) reveal(number);
  }
  cursor.style.transform = `translateX(${x * wide}px)`;
}

// The middle of a note head or rest, as a share of the line.
function centre(element, line) {
  const sign = (element.querySelector(".notehead") || element).querySelector("use");
  return (line.margin + (numbers(sign?.getAttribute("transform"))[0] || 0) + 119) / line.across;
}

export const noteLabel = (note) => TEXT.note(pitchName(note[2]), project.barAt(note[0]));
