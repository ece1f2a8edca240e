// The panel of suggestions: what is asked for the selection, the alternatives, and what becomes of them.
import {post, remove} from "./api.js";
import {$, icon, make, shape, toast} from "./dom.js";
import {player} from "./player.js";
import {project} from "./project.js";
import {reveal} from "./sheet.js";
import {bring} from "./roll.js";
import {openChords} from "./chordfield.js";
import {explain} from "./why.js";
import {TEXT} from "./text.js";

const host = $("suggest");
let drawn = "", what = "both", job = null, answer = null, active = -1, begun = null, last = null, stop = null, parade = false;

project.on((told) => {
  if (told === "project") { forget(); draw(); }
  else if (told === "selection" || told === "music" || told === "engine") draw();
  else if (told === "compose") ask({kind: "compose"});
  else if (told?.job) ask(told.job);
});
player.on((told) => { if (told !== "tick") for (const button of host.querySelectorAll(".listen")) show(button); });

function forget() {
  answer = null;
  active = -1;
  begun = last = null;
  parade = false;
}

export const hasAnswer = () => Boolean(answer);
export const isWorking = () => Boolean(job);
export const activeCandidate = () => active;

// ---- Asking

export function suggest(extra = {}) {
  const selection = project.selection;
  if (!selection) return ask({kind: "compose"});
  return ask({kind: "suggest", first: selection.first, last: selection.last, what, ...extra});
}

// Asks for more of what was asked first, another way: one wish does not hold on to the one before.
function refine(extra) {
  const from = begun, asked = {...from, ...extra};
  delete asked.seed;
  if (extra.what === undefined && last?.kind !== "suggest") { delete asked.wish; delete asked.like; }
  if (last && last.kind !== "suggest" && (extra.wish || extra.what || extra.like)) {
    const view = answer.candidates[Math.max(0, active)];
    const span = {kind: "suggest", first: view.first, last: view.last, what: "both"};
    if (view.bars.length !== project.now.bars.length) return keep(Math.max(0, active)).then((kept) => kept && ask({...span, ...extra, like: undefined}, span));
    return ask({...span, ...extra}, span);
  }
  return ask(asked, from);
}

export async function ask(asked, from = asked) {
  if (job) await cancel();
  player.stop();
  project.show(null);
  answer = null;
  active = -1;
  begun = from;
  last = asked;
  job = {kind: asked.kind, id: null};
  const mine = job, id = project.id, controller = new AbortController();
  stop = controller;
  draw();
  try {
    let told = await post(project.base + "/jobs", asked, {signal: controller.signal});
    while (told.status === "queued" || told.status === "running") {
      mine.id = told.id;
      told = await (await fetchJob(id, told.id, controller.signal)).json();
    }
    if (mine !== job) return;
    job = null;
    answer = told;
    if (!told.candidates.length) { answer = null; draw(); return; }
    present(0, true);
  } catch (problem) {
    if (mine !== job) return;
    job = null;
    if (problem.name !== "AbortError" && problem.status !== 410) toast(problem.status ? problem.message : TEXT.offline, 9);
    draw();
  }
}

async function fetchJob(id, which, signal) {
  const {request} = await import("./api.js");
  return request("GET", `api/projects/${id}/jobs/${which}`, undefined, {signal});
}

export async function cancel() {
  if (!job) return;
  const gone = job;
  job = null;
  try {
    if (!gone.id) {
      const pulse = await (await import("./api.js")).get(project.base + "/pulse");
      gone.id = pulse.job?.id;
    }
    if (gone.id) await remove(`${project.base}/jobs/${gone.id}`);
  } catch { /* it is over */ }
  stop?.abort();
  draw();
}

// ---- Alternatives

// Shows an alternative in place of the piece, and plays it with two bars before and behind it.
export function present(number, sound = true) {
  if (!answer?.candidates[number]) return;
  active = number;
  const view = answer.candidates[number];
  project.show({job: answer.id, candidate: number, view});
  reveal(view.first);
  bring(view.bars[Math.max(0, view.first - 2)][0]);
  if (sound) listen(number);
}

function listen(number, then = null) {
  const view = answer.candidates[number], count = view.bars.length;
  const first = Math.max(1, view.first - 2), end = Math.min(count, view.last + 2);
  player.start({first, last: end, once: true}).then(() => { player.ended = then; });
}

function paradeFrom(number) {
  parade = true;
  present(number, false);
  listen(number, () => {
    if (parade && answer && number + 1 < answer.candidates.length) paradeFrom(number + 1);
    else parade = false;
  });
}

export async function keep(number = active) {
  if (!answer || number < 0) return false;
  const id = answer.id;
  player.stop();
  parade = false;
  const view = answer.candidates[number];
  const done = await project.send(`/jobs/${id}/keep`, () => ({candidate: number}));
  if (done) {
    forget();
    project.select(view.first, view.last);
    toast(TEXT.kept, 3);
    draw();
  }
  return done;
}

export function throwAway() {
  player.stop();
  const view = answer?.candidates[Math.max(0, active)];
  forget();
  project.show(null);
  if (view && view.last <= project.now.bars.length) project.select(view.first, view.last);
  draw();
}

// ---- The panel

function draw() {
  const {selection, now} = project;
  // Another selection changes the words above the questions, hardly ever the questions.
  const stamp = job || answer || !now ? "" : JSON.stringify([Boolean(selection), allLocked(), now.notes.length > 0, now.chords.length > 0, what, project.extending, gettingReady()]);
  if (stamp && stamp === drawn && !host.querySelector(".why")) { host.firstChild.textContent = heading(); return; }
  drawn = stamp;
  const inside = host.contains(document.activeElement), focused = inside ? document.activeElement.dataset.key : "";
  host.replaceChildren(...(job ? working() : answer ? alternatives() : asking()));
  // With alternatives Enter keeps the one that is shown.
  const wanted = answer && active >= 0 && !focused?.startsWith("listen") ? "keep" + active : focused;
  if (inside) (host.querySelector(`[data-key="${wanted}"]`) || host.querySelector("button"))?.focus({preventScroll: true});
}

function button(words, does, key, kind = "plain", extra = {}) {
  return make("button", {class: kind, type: "button", text: words, "data-key": key, onclick: does, ...extra});
}

const allLocked = () => Boolean(project.selection) && project.now.bars.slice(project.selection.first - 1, project.selection.last).every((bar) => bar[3]);
const heading = () => (project.selection ? TEXT.barsOf(project.selection.first, project.selection.last) : TEXT.suggestions);

// What the model waits for, while it does; all but suggestions works meanwhile.
function gettingReady() {
  const {stage, message, done, total} = project.engine;
  if (stage === "ready" || !message) return "";
  return stage === "failed" ? message : TEXT.gettingReady(message, done, total);
}
const readyLine = () => (gettingReady() ? [make("p", {class: "soft ready", role: "status", text: gettingReady()})] : []);

// Each question is about the bars that are selected when it is clicked.
function asking() {
  const {selection, now} = project;
  if (!now) return [];
  const locked = allLocked(), notes = now.notes.length > 0, bars = () => ({first: project.selection.first, last: project.selection.last});
  const parts = [make("h2", {text: heading()}), ...readyLine()];
  if (!selection) parts.push(make("p", {class: "soft", text: TEXT.nothing}));
  if (selection) {
    parts.push(make("fieldset", {class: "what"}, make("legend", {class: "vh", text: TEXT.what}), ...["both", "melody", "chords", "rhythm", "pitches"].map((name) =>
      make("label", {}, make("input", {type: "radio", name: "what", value: name, checked: name === what, "data-key": "what-" + name, onchange: () => { what = name; }}), TEXT[name]))));
    parts.push(button(TEXT.suggest, () => suggest(), "suggest", "main ask", {id: "ask", disabled: locked}));
    parts.push(make("div", {class: "pair"},
      button(locked ? TEXT.unlock : TEXT.lock, lock, "lock"), button(TEXT.editChords, () => openChords(project.selection.first), "chords"),
      button(TEXT.clear, () => project.act({do: "clear_bars", ...bars()}), "clear"),
      button(TEXT.extend, (event) => { project.extending = !project.extending; event.currentTarget.setAttribute("aria-pressed", String(project.extending)); }, "extend", "plain", {id: "extend", "aria-pressed": String(project.extending)}),
      button(TEXT.why, () => explain(host), "why", "plain", {id: "why"})));
  }
  parts.push(make("div", {class: "more"}, make("div", {class: "pair"},
    button(TEXT.composeAll, () => ask({kind: "compose"}), "compose", selection ? "plain" : "main", {id: "compose"}),
    button(TEXT.continueIt, () => ask({kind: "continue", bars: 8}), "continue", "plain", {id: "continue", disabled: !notes && !now.chords.length}),
    button(TEXT.harmonize, () => ask({kind: "harmonize", ...(project.selection ? bars() : {})}), "harmonize", "plain", {id: "harmonize", disabled: !notes})),
  selection && make("div", {class: "pair"},
    button(TEXT.insertBar, () => project.act({do: "insert_bars", at: project.selection.first, count: 1}), "insert"),
    button(TEXT.deleteBars, () => project.act({do: "delete_bars", ...bars()}), "delete"))));
  return parts;
}

export function lock() {
  const {selection, note} = project;
  if (note === null && !selection) return;
  project.act(() => {
    if (note !== null) return {do: "set_locks", locked: !project.noteAt(note)?.[5], notes: [note]};
    const bars = project.now.bars.slice(selection.first - 1, selection.last);
    return {do: "set_locks", locked: !bars.every((bar) => bar[3]), bars: bars.map((_, i) => selection.first + i)};
  });
}

function working() {
  return [make("h2", {text: last?.first ? TEXT.barsOf(last.first, last.last) : TEXT.suggestions}),
    make("div", {class: "working", role: "status"}, make("span", {class: "spin", "aria-hidden": "true"}), TEXT.working[job.kind] || TEXT.working.suggest), ...readyLine(),
    button(TEXT.cancel, cancel, "cancel", "plain", {id: "cancel"})];
}

function alternatives() {
  const whole = answer.kind === "suggest";
  const cards = answer.candidates.map((view, i) => card(view, i));
  const way = (words, extra, key) => button(words, () => refine(extra), key);
  return [make("h2", {text: TEXT.alternatives(answer.candidates.length)}),
    make("div", {class: "pair"}, button(TEXT.listenAll, () => paradeFrom(0), "all"), button(TEXT.again, () => refine({}), "again", "plain", {id: "again"}), button(TEXT.throwAway, throwAway, "throw", "plain", {id: "throw"})),
    make("div", {class: "cards"}, ...cards),
    make("div", {class: "pair"}, way(TEXT.likeThis, {like: {job: answer.id, candidate: Math.max(0, active)}, wish: ""}, "like"), way(TEXT.lessBusy, {wish: "less busy", ...(whole ? {} : {what: "melody"})}, "less"),
      way(TEXT.busier, {wish: "busier", ...(whole ? {} : {what: "melody"})}, "busier"), way(TEXT.higher, {wish: "higher", ...(whole ? {} : {what: "melody"})}, "higher"), way(TEXT.lower, {wish: "lower", ...(whole ? {} : {what: "melody"})}, "lower"),
      way(TEXT.otherRhythm, {what: "rhythm", wish: ""}, "rhythm"), way(TEXT.otherChords, {what: "chords", wish: ""}, "chords2"))];
}

function card(view, i) {
  const names = view.bars.slice(view.first - 1, view.last).map((bar) => bar[2] || "–");
  const text = names.length > 8 ? names.slice(0, 8).join(" | ") + " …" : names.join(" | ");
  const listenButton = make("button", {class: "tool listen", type: "button", "data-key": "listen" + i, "data-number": i, onclick: () => { if (player.playing && active === i) player.stop(); else present(i, true); }});
  show(listenButton);
  return make("div", {class: "card" + (i === active ? " active" : ""), "data-number": i},
    make("button", {class: "pick", type: "button", "data-key": "pick" + i, "aria-pressed": String(i === active), "aria-label": TEXT.candidate(i + 1) + ": " + text, onclick: () => present(i, true)},
      mini(view), make("span", {class: "names"}, make("span", {class: "number", text: i + 1 + " "}), text), make("span", {class: "about", text: view.about})),
    make("div", {class: "does"}, listenButton, make("span", {class: "space"}), button(TEXT.keep, () => keep(i), "keep" + i, i === active ? "main" : "plain")));
}

function show(button) {
  const on = player.playing && Number(button.dataset.number) === active;
  button.replaceChildren(icon(on ? "stop" : "play", true));
  button.setAttribute("aria-label", (on ? TEXT.stop : TEXT.listen) + ", " + TEXT.candidate(Number(button.dataset.number) + 1));
}

// The new bars as a little roll.
function mini(view) {
  const [start] = view.bars[view.first - 1], end = view.bars[view.last - 1][0] + view.bars[view.last - 1][1];
  const notes = view.notes.filter((note) => note[0] >= start && note[0] < end), pitches = notes.map((note) => note[2]);
  const low = Math.min(60, ...pitches) - 1, high = Math.max(low + 14, ...pitches) + 1;
  const svg = shape("svg", {class: "mini", viewBox: `0 0 ${end - start} 100`, preserveAspectRatio: "none", "aria-hidden": "true"});
  for (const [at] of view.bars.slice(view.first, view.last)) svg.append(shape("line", {x1: at - start, x2: at - start, y1: 0, y2: 100, "vector-effect": "non-scaling-stroke"}));
  const tall = 100 / (high - low + 1);
  for (const [onset, duration, pitch] of notes) svg.append(shape("rect", {x: onset - start, width: Math.max(1, duration - 0.6), y: (high - pitch) * tall, height: tall * 0.9}));
  return svg;
}
