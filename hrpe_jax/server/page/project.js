// The project that is open, what is selected in it, and the alternative that is shown in its place.
import {Problem, get, post} from "./api.js";
import {$, toast} from "./dom.js";
import {TEXT} from "./text.js";

export const project = {
  id: "", now: null, choices: null,
  selection: null, // {first, last}, bars from 1
  note: null, // tick of the note that is picked
  engine: {stage: "loading", message: "", done: 0, total: 0}, // how far the model is
  preview: null, // {job, candidate, view}: an alternative in place of the piece
  listeners: [],

  on(listener) { this.listeners.push(listener); },
  tell(what) { for (const listener of this.listeners) listener(what); },

  // What is drawn: the piece, or the alternative.
  get shown() { return this.preview?.view || this.now; },
  get base() { return "api/projects/" + this.id; },

  // For requests about what is shown.
  get which() { return this.preview ? {job: this.preview.job, candidate: this.preview.candidate} : {}; },

  take(view, id = view.id) {
    const other = id !== this.id;
    this.id = id;
    this.now = view;
    this.preview = null;
    if (other) { this.selection = null; this.note = null; }
    const count = view.bars.length;
    if (this.selection) {
      const last = Math.min(this.selection.last, count);
      this.selection = this.selection.first > count ? null : {first: this.selection.first, last};
    }
    if (this.note !== null && !view.notes.some((note) => note[0] === this.note)) this.note = null;
    if (view.notice) toast(view.notice, 12);
    this.tell(other ? "project" : "music");
  },

  async open(id) {
    const view = await get("api/projects/" + id);
    history.replaceState(null, "", "#" + id);
    this.take(view);
  },

  // One change at a time, in order; what the server answers is what is there.
  queue: Promise.resolve(),
  waiting: 0,
  // An action may be a function, which is asked when its turn comes and sees what was done before it.
  act(action) {
    return this.send("/actions", () => {
      const asked = typeof action === "function" ? action() : action;
      return asked && {base: this.now.revision, action: asked};
    });
  },
  send(path, body) {
    const id = this.id;
    this.waiting++;
    status("saving");
    this.queue = this.queue.then(async () => {
      try {
        const asked = body();
        if (!asked) return false;
        const view = await post("api/projects/" + id + path, asked);
        if (this.id === id) this.take(view);
        status("saved");
        return true;
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.body.project && this.id === id) this.take(problem.body.project);
        status(problem.status === 507 || problem.status === 0 ? "notSaved" : "saved");
        toast(problem.status === 0 ? TEXT.offline : problem.message, 9);
        if (this.id === id) this.tell("music");
        return false;
      } finally { this.waiting--; }
    });
    return this.queue;
  },

  select(first, last = first) {
    if (first === null) this.selection = null;
    else {
      const count = this.shown.bars.length, [a, b] = first <= last ? [first, last] : [last, first];
      this.selection = {first: Math.max(1, a), last: Math.min(count, b)};
      this.anchor = first;
    }
    this.note = null;
    this.tell("selection");
  },
  // A bar that was clicked or tapped: alone, or as the other end of what is selected.
  extending: false,
  choose(number, more = false) {
    const both = (more || this.extending) && this.selection;
    this.extending = false;
    if (both) this.select(this.anchor, number); else this.select(number);
  },
  pick(tick) {
    this.note = tick;
    if (tick !== null) {
      const bar = this.barAt(tick);
      if (!this.selection || bar < this.selection.first || bar > this.selection.last) this.selection = {first: bar, last: bar};
      this.anchor = this.selection.first;
    }
    this.tell("selection");
  },
  show(preview) { this.preview = preview; this.note = null; this.tell("music"); },

  barAt(tick) {
    const bars = this.shown.bars;
    let low = 0, high = bars.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (bars[middle][0] <= tick) low = middle; else high = middle - 1;
    }
    return low + 1;
  },
  get end() { const bar = this.shown.bars.at(-1); return bar[0] + bar[1]; },
  noteAt(tick) { return this.shown.notes.find((note) => note[0] === tick); },
};

function status(what) {
  $("saved").textContent = TEXT[what];
  $("saved").classList.toggle("bad", what === "notSaved");
}

const SHARP = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"], FLAT = ["C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B"];
export function pitchName(pitch) {
  return (project.now.fifths < 0 ? FLAT : SHARP)[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

// The server's revision and the model's progress, now and then, more often while something is going on.
export function watch(told) {
  let wait = 400;
  const engine = (state) => {
    const other = JSON.stringify(state) !== JSON.stringify(project.engine);
    project.engine = state;
    told(state);
    if (other) project.tell("engine");
  };
  const look = async () => {
    if (project.id && document.visibilityState === "visible") {
      try {
        const id = project.id, pulse = await get(project.base + "/pulse");
        engine(pulse.engine);
        if (id === project.id && pulse.revision > project.now.revision && !project.waiting && !project.preview) {
          project.take(await get(project.base));
          toast(TEXT.otherWindow, 3);
        }
        wait = pulse.engine.stage === "ready" ? 2000 : 400;
      } catch (problem) {
        if (problem.status === 0) engine({stage: "failed", message: TEXT.offline});
        wait = 3000;
      }
    }
    setTimeout(look, wait);
  };
  look();
}
