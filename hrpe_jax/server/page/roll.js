// The piano roll: bars with their chords in a row, and notes that can be dragged, lengthened, added and deleted.
// Only what lies in sight, and a screen to both sides of it, is in the page: long pieces cost no more than short ones.
import {$, icon, make} from "./dom.js";
import {openChords} from "./chordfield.js";
import {pitchName, project} from "./project.js";
import {noteLabel} from "./sheet.js";
import {held, holdToExtend} from "./touch.js";
import {TEXT} from "./text.js";

const HEAD = 37, ROWS = 26, GRID = 3; // pixels of the heads, least rows, ticks of a sixteenth
const host = $("roll");
let scale = 2.4, row = 8, high = 84, low = 60, adding = false;
let at = 0, wide = 900, sight = [0, 0]; // pixels scrolled and in sight; ticks that are drawn
const drawn = {bars: new Map(), heads: new Map(), names: new Map(), tones: new Map()}; // elements by what they show

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
scroll.addEventListener("scroll", () => {
  at = scroll.scrollLeft;
  keys.scrollTop = scroll.scrollTop;
  const near = wide / 2 / scale;
  if ((at / scale < sight[0] + near && sight[0] > 0) || ((at + wide) / scale > sight[1] - near && sight[1] < project.end)) fill();
}, {passive: true});

function go(x) {
  at = Math.max(0, Math.min(x, project.end * scale + 60 - wide));
  scroll.scrollLeft = at;
}

export function setAdding(on) {
  adding = on;
  pencil.setAttribute("aria-pressed", String(on));
}
function zoom(by) {
  const middle = (at + wide / 2) / scale;
  scale = Math.max(0.6, Math.min(9, scale * by));
  inside.style.width = project.end * scale + 60 + "px";
  go(middle * scale - wide / 2);
  draw(true);
}

project.on((what) => {
  if (what === "selection") {
    if (project.note !== null) bring(project.note);
    mark();
  } else if (what === "music" || what === "project") {
    if (what === "project") { at = 0; scroll.scrollTo(0, 0); }
    draw(what === "project");
  }
});
let room = 60;
new ResizeObserver(() => {
  wide = scroll.clientWidth;
  at = scroll.scrollLeft;
  room = Math.max(60, host.clientHeight - HEAD - 12);
  if (project.now) draw(true);
}).observe(host);

let frame = "";
function draw(all) {
  const {shown} = project;
  const pitches = shown.notes.map((note) => note[2]);
  const top = Math.max(76, ...pitches) + 3, bottom = Math.min(59, ...pitches) - 3;
  const height = Math.max(5, Math.min(16, Math.floor(room / Math.max(ROWS, top - bottom + 1))));
  [high, low, row] = [top, bottom, height];
  const stamp = [project.end, shown.beat, shown.tonic, shown.scale, scale, high, low, row].join();
  if (all || stamp !== frame) {
    frame = stamp;
    const tall = (high - low + 1) * row;
    inside.style.width = project.end * scale + 60 + "px";
    grid.style.height = tall + "px";
    grid.style.setProperty("--beat", shown.beat * scale + "px");
    keys.replaceChildren();
    const back = document.createDocumentFragment();
    for (let pitch = high; pitch >= low; pitch--) {
      if (shown.scale.includes(pitch % 12)) back.append(make("div", {class: "row", style: {top: (high - pitch) * row + "px", height: row + "px"}}));
      if (pitch % 12 === shown.tonic) keys.append(make("span", {text: pitchName(pitch), style: {top: HEAD + (high - pitch) * row + "px"}}));
    }
    keys.append(make("span", {style: {top: HEAD + tall + 30 + "px"}}));
    back.append(chosen);
    grid.replaceChildren(back);
    heads.replaceChildren();
    for (const map of Object.values(drawn)) map.clear();
  }
  fill();
}

// Puts in what is near, takes out what is far.
function fill() {
  const {shown, selection, preview} = project;
  sight = [Math.max(0, (at - wide) / scale), (at + 2 * wide) / scale];
  const near = (onset, duration) => onset < sight[1] && onset + duration > sight[0];
  const fresh = preview && [shown.bars[preview.view.first - 1][0], end(preview.view.last)];
  const next = {bars: new Map(), heads: new Map(), names: new Map(), tones: new Map()};
  const keep = (kind, host, key, build) => {
    const old = drawn[kind].get(key), element = old || build();
    drawn[kind].delete(key);
    next[kind].set(key, element);
    if (!old) host.append(element);
  };
  shown.bars.forEach(([start, length, , locked], i) => {
    if (!near(start, length)) return;
    const style = {left: start * scale + "px", width: length * scale + "px"};
    keep("bars", grid, start + "," + length, () => make("div", {class: "line", style}));
    keep("heads", heads, [i, start, length, locked].join(), () => make("button", {class: "head" + (locked ? " locked" : ""), type: "button", tabindex: "-1", "data-bar": i + 1, text: String(i + 1),
      "aria-label": TEXT.bar(i + 1) + (locked ? ", " + TEXT.locked : ""), "aria-pressed": String(Boolean(selection) && i >= selection.first - 1 && i < selection.last), style}));
  });
  for (const [onset, duration, symbol, numeral, kind, locked] of shown.chords) {
    if (near(onset, duration)) keep("names", heads, [onset, duration, symbol, numeral, kind, locked].join(), () => make("button", {class: "name f" + kind + (locked ? " locked" : ""), type: "button", tabindex: "-1", text: symbol, title: numeral,
      "data-tick": onset, style: {left: onset * scale + "px", width: duration * scale + "px"}}));
  }
  for (const note of shown.notes) {
    if (!near(note[0], note[1])) continue;
    const isNew = Boolean(fresh) && note[0] >= fresh[0] && note[0] < fresh[1];
    keep("tones", grid, [note[0], note[1], note[2], note[5], isNew].join(), () => {
      const tone = make("div", {class: "tone" + (note[5] ? " locked" : "") + (isNew ? " fresh" : ""), role: "button", "data-tick": note[0],
        "aria-label": noteLabel(note) + (note[5] ? ", " + TEXT.locked : "")});
      set(tone, note[0], note[1], note[2]);
      return tone;
    });
  }
  for (const [kind, map] of Object.entries(drawn)) {
    for (const element of map.values()) element.remove();
    drawn[kind] = next[kind];
  }
  mark();
}

const end = (bar) => { const [start, length] = project.shown.bars[bar - 1]; return start + length; };

function set(tone, onset, duration, pitch) {
  tone.style.left = onset * scale + "px";
  tone.style.width = Math.max(4, duration * scale - 1) + "px";
  tone.style.top = (high - pitch) * row + "px";
  tone.style.height = row - 1 + "px";
}

function mark() {
  const {selection, note, shown} = project;
  for (const head of drawn.heads.values()) {
    const number = Number(head.dataset.bar);
    const pressed = String(Boolean(selection) && number >= selection.first && number <= selection.last);
    if (head.getAttribute("aria-pressed") !== pressed) head.setAttribute("aria-pressed", pressed);
  }
  chosen.hidden = !selection;
  if (selection) {
    const [start] = shown.bars[selection.first - 1] || [0];
    const long = end(Math.min(selection.last, shown.bars.length)) - start;
    chosen.style.transform = `translateX(${start * scale}px) scaleX(${long * scale})`; // needs no layout
  }
  for (const tone of grid.querySelectorAll(".tone.picked")) tone.classList.remove("picked");
  if (note !== null) toneAt(note)?.classList.add("picked");
}

const toneAt = (tick) => grid.querySelector(`.tone[data-tick="${tick}"]`);

// Scrolls so that a tick is in sight.
export function bring(tick) {
  const x = tick * scale;
  if (x >= at + 10 && x <= at + wide - 60) return;
  go(x - 80);
  fill();
}

// ---- Bars and chords in the heads

const barOf = (head) => (head.dataset.bar ? Number(head.dataset.bar) : project.barAt(Number(head.dataset.tick)));
heads.addEventListener("pointerdown", (event) => {
  const head = event.target.closest(".head, .name");
  if (!head || event.button) return;
  const number = barOf(head);
  if (event.pointerType === "touch") holdToExtend(event, number); else project.choose(number, event.shiftKey);
});
heads.addEventListener("click", (event) => {
  const head = event.target.closest(".head, .name");
  if (head && event.pointerType === "touch" && !held()) project.choose(barOf(head));
});
heads.addEventListener("pointermove", (event) => {
  if (!(event.buttons & 1) || event.pointerType !== "mouse" || !project.selection) return;
  const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("#roll .head");
  if (over) project.select(project.anchor, Number(over.dataset.bar));
});
heads.addEventListener("dblclick", (event) => {
  const head = event.target.closest(".head, .name");
  if (head) openChords(barOf(head));
});

// ---- Notes

let drag = null;
const placeOf = (event) => {
  const area = grid.getBoundingClientRect();
  return {tick: (event.clientX - area.left) / scale, pitch: high - Math.floor((event.clientY - area.top) / row)};
};
const snap = (tick) => Math.round(tick / GRID) * GRID;

grid.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const tone = event.target.closest(".tone"), here = placeOf(event);
  if (tone) {
    if (project.preview) return;
    const note = project.noteAt(Number(tone.dataset.tick)), area = tone.getBoundingClientRect();
    const lengthen = area.right - event.clientX < Math.min(10, area.width * 0.4);
    project.pick(note[0]);
    scroll.focus({preventScroll: true});
    if (note[5]) return;
    drag = {tone, note, from: placeOf(event), lengthen, onset: note[0], duration: note[1], pitch: note[2]};
    grid.setPointerCapture(event.pointerId);
    event.preventDefault();
  } else if (event.pointerType === "touch") {
    holdToExtend(event, project.barAt(Math.max(0, here.tick)));
  } else pressed(here, event.shiftKey);
});
grid.addEventListener("click", (event) => {
  if (event.pointerType === "touch" && !held() && !event.target.closest(".tone")) pressed(placeOf(event), false);
  drag = null;
});

// A place without a note: a new one with the pencil, else its bar.
function pressed(here, more) {
  if (adding && !project.preview) { addAt(Math.floor(here.tick / GRID) * GRID, here.pitch); return; }
  const number = project.barAt(Math.max(0, here.tick));
  project.choose(number, more);
  drag = {bars: number};
}
grid.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const here = placeOf(event);
  if (drag.bars) {
    if (event.buttons & 1) project.select(drag.bars, project.barAt(Math.max(0, here.tick)));
    return;
  }
  const {note} = drag, moved = snap(here.tick - drag.from.tick);
  if (drag.lengthen) drag.duration = Math.max(GRID, note[1] + moved);
  else {
    drag.onset = Math.max(0, Math.min(project.end - GRID, note[0] + moved));
    drag.pitch = Math.max(0, Math.min(127, note[2] + here.pitch - drag.from.pitch));
  }
  set(drag.tone, drag.onset, drag.duration, drag.pitch);
});
const drop = () => {
  if (!drag) return;
  const {note, onset, duration, pitch, bars} = drag;
  drag = null;
  if (bars || !note || (onset === note[0] && duration === note[1] && pitch === note[2])) return;
  project.note = onset;
  project.act({do: "change_note", onset: note[0], to: onset, duration, pitch}).then((done) => { if (!done) draw(true); });
};
grid.addEventListener("pointerup", drop);
grid.addEventListener("pointercancel", () => { drag = null; draw(true); });
grid.addEventListener("dblclick", (event) => {
  if (event.target.closest(".tone") || project.preview) return;
  const here = placeOf(event);
  addAt(Math.floor(here.tick / GRID) * GRID, here.pitch);
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
    if (x < at || x > at + wide * 0.92) { go(x - wide * 0.1); fill(); }
  }
  const note = project.shown.notes.find((n) => n[0] <= tick && tick < n[0] + n[1]);
  const tone = note ? toneAt(note[0]) : null;
  if (tone !== lit) { lit?.classList.remove("sounds"); tone?.classList.add("sounds"); lit = tone; }
}
