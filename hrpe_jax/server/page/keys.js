// The keyboard: what every key does, wherever the focus is but in a field.
import {$, dialog, make} from "./dom.js";
import {addAt, setAdding} from "./roll.js";
import {openChords} from "./chordfield.js";
import {player} from "./player.js";
import {project} from "./project.js";
import {barBox, reveal, stepped} from "./sheet.js";
import * as alternatives from "./suggest.js";
import {TEXT} from "./text.js";

let copied = null, follows = 0;

document.addEventListener("keydown", (event) => {
  if (!project.now || $("dialog").open || event.defaultPrevented) return;
  const target = event.target, typing = target.matches("input:not([type=radio]), select, textarea");
  const command = event.ctrlKey || event.metaKey;
  if (typing && !(command && event.key.toLowerCase() === "z" && target.matches("select"))) return;
  if (target.matches("[type=radio]") && (event.key === " " || event.key.startsWith("Arrow"))) return;
  if ((event.key === " " || event.key === "Enter") && target.matches("button:not(.bar):not(.head):not(.tone), a, [role=menuitem]")) return;
  const does = command ? COMMANDS[event.key.toLowerCase()] : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does || (event.altKey && !event.key.startsWith("Arrow"))) return;
  if (does(event) === false) return;
  event.preventDefault();
});

const COMMANDS = {
  z: (event) => { if (!project.preview) project.act({do: event.shiftKey ? "redo" : "undo"}); },
  y: () => { if (!project.preview) project.act({do: "redo"}); },
  c: () => { if (!project.selection || String(getSelection())) return false; copied = {...project.selection}; },
  v: () => { if (!copied || !project.selection || project.preview) return false; project.act({do: "copy_bars", first: copied.first, last: copied.last, to: project.selection.first}); },
  a: () => project.select(1, project.shown.bars.length),
};

const KEYS = {
  " ": () => player.toggle(),
  Enter: () => {
    if (alternatives.hasAnswer()) alternatives.keep();
    else if (!alternatives.isWorking()) alternatives.suggest();
  },
  Escape: () => {
    if (alternatives.isWorking()) alternatives.cancel();
    else if (alternatives.hasAnswer()) alternatives.throwAway();
    else if (project.note !== null) { const bar = project.barAt(project.note); project.select(bar); barBox(bar)?.focus({preventScroll: true}); }
    else if (player.playing) player.stop();
    else project.select(null);
    setAdding(false);
  },
  ArrowLeft: (event) => across(event, -1),
  ArrowRight: (event) => across(event, 1),
  ArrowUp: (event) => along(event, 1),
  ArrowDown: (event) => along(event, -1),
  Home: () => { project.select(1); player.seek(0); show(1); },
  End: () => { const last = project.shown.bars.length; project.select(last); show(last); },
  Delete: () => clear(),
  Backspace: () => clear(),
  c: () => { if (!project.preview) openChords(project.selection?.first || 1); },
  l: () => alternatives.lock(),
  n: () => add(),
  m: () => $("toggle-metronome").click(),
  "?": () => help(),
};
for (let number = 1; number <= 8; number++) KEYS[number] = () => { if (!alternatives.hasAnswer()) return false; alternatives.present(number - 1, true); };

function show(bar) {
  reveal(bar);
  barBox(bar)?.focus({preventScroll: true});
}

// Left and right: bars, or with a picked note the next note, its place (Alt) and its length (Shift).
function across(event, way) {
  const {note, now} = project;
  if (note !== null && !project.preview) {
    const step = 3 * way;
    if (event.altKey) change(([onset]) => { project.note = Math.max(0, onset + step); return {to: project.note}; });
    else if (event.shiftKey) change(([, duration]) => ({duration: Math.max(3, duration + step)}));
    else {
      const at = now.notes.findIndex((one) => one[0] === note) + way;
      if (now.notes[at]) { project.pick(now.notes[at][0]); reveal(project.barAt(now.notes[at][0])); }
    }
    return;
  }
  const {selection} = project, count = project.shown.bars.length;
  if (!selection) { project.select(1); show(1); return; }
  if (event.shiftKey) {
    const moving = project.anchor === selection.first ? selection.last : selection.first;
    const to = Math.max(1, Math.min(count, moving + way)), anchor = project.anchor;
    project.select(anchor, to);
    show(to);
    return;
  }
  const to = Math.max(1, Math.min(count, (way < 0 ? selection.first : selection.last) + way));
  project.select(to);
  show(to);
  cancelAnimationFrame(follows); // the cursor comes in a frame of its own
  follows = requestAnimationFrame(() => { if (!player.playing && project.shown.bars[to - 1]) player.seek(project.shown.bars[to - 1][0]); });
}

// Changes the picked note, as it is when the changes before have been made.
function change(how) {
  project.act(() => {
    const note = project.noteAt(project.note);
    return note && {do: "change_note", onset: note[0], ...how(note)};
  });
}

// Up and down: a picked note by a semitone (Shift: octave); from bars down to their notes.
function along(event, way) {
  const {note, selection, now} = project;
  if (project.preview) { alternatives.present(alternatives.activeCandidate() - way, true); return; }
  if (note !== null) {
    change(([, , pitch]) => ({pitch: Math.max(0, Math.min(127, event.shiftKey ? pitch + 12 * way : event.altKey ? stepped(pitch, way) : pitch + way))}));
    return;
  }
  if (way > 0) return false;
  if (!selection) { project.select(1); return; }
  const [start] = now.bars[selection.first - 1], first = now.notes.find((one) => one[0] >= start);
  if (first) project.pick(first[0]);
}

function clear() {
  const {note, selection} = project;
  if (project.preview) return;
  if (note !== null) {
    const at = project.now.notes.findIndex((one) => one[0] === note), next = project.now.notes[at + 1] || project.now.notes[at - 1];
    project.act({do: "delete_notes", onsets: [note]}).then((done) => { if (done && next) project.pick(next[0]); });
  } else if (selection) project.act({do: "clear_bars", first: selection.first, last: selection.last});
}

// A note behind the picked one, or at the beginning of the selected bar.
function add() {
  const {note, selection, now} = project;
  if (project.preview) return;
  const before = note === null ? null : project.noteAt(note);
  const onset = before ? before[0] + before[1] : now.bars[(selection?.first || 1) - 1][0];
  if (onset >= project.end) return;
  const near = before || [...now.notes].reverse().find((one) => one[0] <= onset);
  addAt(onset, near ? near[2] : 60 + (now.tonic > 6 ? now.tonic - 12 : now.tonic) + 12 * (now.tonic < 3 ? 0 : 0));
}

export function help() {
  dialog(TEXT.helpTitle, (box, close) => {
    box.append(make("table", {}, ...TEXT.helpRows.map(([key, words]) => make("tr", {}, make("th", {scope: "row"}, ...key.split(" ").map((one, i) => (/^(\/|to|,)$/.test(one) ? " " + one + " " : make("kbd", {text: one})))), make("td", {text: words})))),
      make("div", {class: "end"}, make("button", {class: "main", type: "button", text: TEXT.close, onclick: close})));
  });
}
