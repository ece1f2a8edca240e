// The piano roll: bars with their chords in a row, and notes that can be dragged, lengthened, added and deleted.
import {$, icon, make} from "./dom.js";
import {openChords} from "./chordfield.js";
import {pitchName, project} from "./project.js";
import {noteLabel} from "./sheet.js";
import {TEXT} from "./text.js";

const HEAD = 37, ROWS = 26, GRID = 3; // pixels of the heads, least rows, ticks of a sixteenth
const host = $("roll");
let scale = 2.4, row = 8, high = 84, low = 60, adding = false, tones = new Map();

const keys = make("div", {class: "keys", "aria-hidden": "true"});
const inside = make("div", {class: "inside"});
const scroll = make("div", {class: "scroll", tabindex: "0", "aria-label": TEXT.roll}, inside);
const heads = make("div", {class: "heads"}), grid = make("div", {class: "grid"});
const chosen = make("div", {class: "chosen"}), cursor = make("div", {class: "cursor", hidden: true});
inside.append(heads, grid, cursor);
const pencil = make("button", {class: "tool", id: "pencil", type: "button", title: TEXT.addNote, "aria-label": TEXT.addNote, "aria-pressed": "false", onclick: () => setAdding(!adding)}, icon("pencil"));
host.append(keys, scroll, make("div", {class: "corner"}, pencil,
  make("button", {class: "tool", type: "button", title: TEXT.farther || TEXT.zoomOut, "aria-label": TEXT.zoomOut, onclick: () => zoom(1 / 1.35)}, icon("farther")),
  make("button", {class: "tool", type: "button", title: TEXT.zoomIn, "aria-label": TEXT.zoomIn, onclick: () => zoom(1.35)}, icon("closer"))));
scroll.addEventListener("scroll", () => { keys.scrollTop = scroll.scrollTop; }, {passive: true});

export function setAdding(on) {
  adding = on;
  pencil.setAttribute("aria-pressed", String(on));
}
function zoom(by) {
  const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / scale;
  scale = Math.max(0.6, Math.min(9, scale * by));
  draw(true);
  scroll.scrollLeft = middle * scale - scroll.clientWidth / 2;
}

project.on((what) => {
  if (what === "selection") mark();
  else if (what === "music" || what === "project") { draw(what === "project"); if (what === "project") scroll.scrollTo(0, 0); }
});
new ResizeObserver(() => { if (project.now) draw(true); }).observe(host);

let drawn = "";
function draw(all) {
  const {shown} = project;
  const pitches = shown.notes.map((note) => note[2]);
  const top = Math.max(76, ...pitches) + 3, bottom = Math.min(59, ...pitches) - 3;
  const room = Math.max(60, host.clientHeight - HEAD - 12);
  const height = Math.max(5, Math.min(16, Math.floor(room / Math.max(ROWS, top - bottom + 1))));
  if (top !== high || bottom !== low || height !== row) all = true;
  [high, low, row] = [top, bottom, height];
  const tall = (high - low + 1) * row;
  const stamp = JSON.stringify([shown.bars.map((bar) => bar.slice(0, 2)), shown.beat, shown.fifths, shown.scale, scale, high, low, row]);
  if (all || stamp !== drawn) {
    drawn = stamp;
    inside.style.width = project.end * scale + 60 + "px";
    grid.style.height = tall + "px";
    keys.replaceChildren();
    const back = document.createDocumentFragment();
    for (let pitch = high; pitch >= low; pitch--) {
      if (shown.scale.includes(pitch % 12)) back.append(make("div", {class: "row", style: {top: (high - pitch) * row + "px", height: row + "px"}}));
      if (pitch % 12 === shown.tonic) keys.append(make("span", {text: pitchName(pitch), style: {top: HEAD + (high - pitch) * row + "px"}}));
    }
    keys.append(make("span", {style: {top: HEAD + tall + 30 + "px"}}));
    for (const [start, length] of shown.bars) {
      for (let tick = 0; tick < length; tick += shown.beat) back.append(make("div", {class: tick ? "line beat" : "line", style: {left: (start + tick) * scale + "px"}}));
    }
    back.append(chosen);
    grid.replaceChildren(back);
    tones = new Map();
  }
  drawHeads();
  const fresh = project.preview && [shown.bars[project.preview.view.first - 1][0], end(project.preview.view.last)];
  const next = new Map();
  for (const note of shown.notes) {
    const isNew = Boolean(fresh) && note[0] >= fresh[0] && note[0] < fresh[1];
    const key = [note[0], note[1], note[2], note[5], isNew].join();
    let tone = tones.get(key);
    tones.delete(key);
    if (!tone) {
      tone = make("div", {class: "tone" + (note[5] ? " locked" : "") + (isNew ? " fresh" : ""), role: "button", "data-tick": note[0],
        "aria-label": noteLabel(note) + (note[5] ? ", " + TEXT.locked : "")});
      set(tone, note[0], note[1], note[2]);
      grid.append(tone);
    }
    next.set(key, tone);
  }
  for (const tone of tones.values()) tone.remove();
  tones = next;
  mark();
}

const end = (bar) => { const [start, length] = project.shown.bars[bar - 1]; return start + length; };

function set(tone, onset, duration, pitch) {
  tone.style.left = onset * scale + "px";
  tone.style.width = Math.max(4, duration * scale - 1) + "px";
  tone.style.top = (high - pitch) * row + "px";
  tone.style.height = row - 1 + "px";
}

function drawHeads() {
  const {shown} = project, back = document.createDocumentFragment();
  shown.bars.forEach(([start, length, , locked], i) => back.append(make("button", {class: "head" + (locked ? " locked" : ""), type: "button", tabindex: "-1", "data-bar": i + 1, text: String(i + 1),
    "aria-label": TEXT.bar(i + 1), style: {left: start * scale + "px", width: length * scale + "px"}})));
  for (const [onset, duration, symbol, numeral, kind, locked] of shown.chords) {
    back.append(make("button", {class: "name f" + kind + (locked ? " locked" : ""), type: "button", tabindex: "-1", text: symbol, title: numeral, "data-tick": onset,
      style: {left: onset * scale + "px", width: duration * scale + "px"}}));
  }
  heads.replaceChildren(back);
}

function mark() {
  const {selection, note, shown} = project;
  for (const head of heads.querySelectorAll(".head")) {
    const number = Number(head.dataset.bar);
    const pressed = String(Boolean(selection) && number >= selection.first && number <= selection.last);
    if (head.getAttribute("aria-pressed") !== pressed) head.setAttribute("aria-pressed", pressed);
  }
  chosen.hidden = !selection;
  if (selection) {
    const [start] = shown.bars[selection.first - 1] || [0];
    chosen.style.left = start * scale + "px";
    chosen.style.width = (end(Math.min(selection.last, shown.bars.length)) - start) * scale + "px";
  }
  for (const tone of grid.querySelectorAll(".tone.picked")) tone.classList.remove("picked");
  if (note !== null) {
    const tone = grid.querySelector(`.tone[data-tick="${note}"]`);
    tone?.classList.add("picked");
    if (tone) bring(note);
  }
}

// Scrolls so that a tick is in sight.
export function bring(tick) {
  const x = tick * scale, from = scroll.scrollLeft;
  if (x < from + 10 || x > from + scroll.clientWidth - 60) scroll.scrollLeft = Math.max(0, x - 80);
}

// ---- Bars and chords in the heads

heads.addEventListener("pointerdown", (event) => {
  const head = event.target.closest(".head, .name");
  if (!head || event.button) return;
  const number = head.dataset.bar ? Number(head.dataset.bar) : project.barAt(Number(head.dataset.tick));
  if (event.shiftKey && project.selection) project.select(project.anchor, number);
  else project.select(number);
});
heads.addEventListener("pointermove", (event) => {
  if (!(event.buttons & 1) || event.pointerType !== "mouse" || !project.selection) return;
  const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("#roll .head");
  if (over) project.select(project.anchor, Number(over.dataset.bar));
});
heads.addEventListener("dblclick", (event) => {
  const head = event.target.closest(".head, .name");
  if (head) openChords(head.dataset.bar ? Number(head.dataset.bar) : project.barAt(Number(head.dataset.tick)));
});

// ---- Notes

let drag = null;
const place = (event) => {
  const area = grid.getBoundingClientRect();
  return {tick: (event.clientX - area.left) / scale, pitch: high - Math.floor((event.clientY - area.top) / row)};
};
const snap = (tick) => Math.round(tick / GRID) * GRID;

grid.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const tone = event.target.closest(".tone"), at = place(event);
  if (tone) {
    if (project.preview) return;
    const note = project.noteAt(Number(tone.dataset.tick)), area = tone.getBoundingClientRect();
    const lengthen = area.right - event.clientX < Math.min(10, area.width * 0.4);
    project.pick(note[0]);
    scroll.focus({preventScroll: true});
    if (note[5]) return;
    drag = {tone, note, at, lengthen, onset: note[0], duration: note[1], pitch: note[2]};
    grid.setPointerCapture(event.pointerId);
    event.preventDefault();
  } else if (adding && !project.preview) {
    addAt(Math.floor(at.tick / GRID) * GRID, at.pitch);
  } else {
    const number = project.barAt(Math.max(0, at.tick));
    if (event.shiftKey && project.selection) project.select(project.anchor, number);
    else project.select(number);
    if (event.pointerType === "mouse") drag = {bars: number};
  }
});
grid.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const at = place(event);
  if (drag.bars) {
    if (event.buttons & 1) project.select(drag.bars, project.barAt(Math.max(0, at.tick)));
    return;
  }
  const {note} = drag, moved = snap(at.tick - drag.at.tick);
  if (drag.lengthen) drag.duration = Math.max(GRID, note[1] + moved);
  else {
    drag.onset = Math.max(0, Math.min(project.end - GRID, note[0] + moved));
    drag.pitch = Math.max(0, Math.min(127, note[2] + at.pitch - drag.at.pitch));
  }
  set(drag.tone, drag.onset, drag.duration, drag.pitch);
});
const drop = () => {
  if (!drag) return;
  const {note, onset, duration, pitch, bars} = drag;
  drag = null;
  if (bars || !note || (onset === note[0] && duration === note[1] && pitch === note[2])) return;
  project.note = onset;
  project.act({do: "change_note", onset: note[0], to: onset, duration, pitch});
};
grid.addEventListener("pointerup", drop);
grid.addEventListener("pointercancel", () => { drag = null; draw(true); });
grid.addEventListener("dblclick", (event) => {
  if (event.target.closest(".tone") || project.preview) return;
  const at = place(event);
  addAt(Math.floor(at.tick / GRID) * GRID, at.pitch);
});

export function addAt(onset, pitch) {
  const beat = project.now.beat, next = project.now.notes.find((note) => note[0] > onset);
  const duration = Math.max(1, Math.min(beat, next ? next[0] - onset : beat));
  return project.act({do: "add_note", onset, duration, pitch}).then((done) => { if (done) project.pick(onset); });
}

// ---- The cursor

let lit = null;
export function rollCursor(tick, follow) {
  cursor.hidden = tick === null;
  if (tick === null) { lit?.classList.remove("sounds"); lit = null; return; }
  cursor.style.transform = `translateX(${tick * scale}px)`;
  if (follow) {
    const x = tick * scale;
    if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth * 0.92) scroll.scrollLeft = Math.max(0, x - scroll.clientWidth * 0.1);
  }
  const note = project.shown.notes.find((n) => n[0] <= tick && tick < n[0] + n[1]);
  const tone = note ? grid.querySelector(`.tone[data-tick="${note[0]}"]`) : null;
  if (tone !== lit) { lit?.classList.remove("sounds"); tone?.classList.add("sounds"); lit = tone; }
}
