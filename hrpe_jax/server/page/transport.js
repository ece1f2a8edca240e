// Playback's buttons: play, loop, count-in, metronome, the parts of the band, the clock, and the model's progress.
import {$, icon, make} from "./dom.js";
import {player} from "./player.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";

const host = $("transport");
const PARTS = ["melody", "chords", "bass", "drums"];

const play = make("button", {class: "play", id: "play", type: "button", onclick: () => player.toggle()});
const start = tool("start", TEXT.toStart, () => player.seek(0), "to-start");
const clock = make("span", {id: "clock"});
const loop = toggle("loop", TEXT.loop, "loop"), count = toggle("count", TEXT.countIn, "countIn"), metronome = toggle("metronome", TEXT.metronome, "metronome");
const engine = make("span", {id: "engine", role: "status"});

function tool(name, words, does, id) {
  return make("button", {class: "tool", type: "button", id, title: words, "aria-label": words, onclick: does}, icon(name));
}
function toggle(name, words, field) {
  const button = tool(name, words, () => {
    player[field] = !player[field];
    button.setAttribute("aria-pressed", String(player[field]));
    if (player.playing && field === "loop" && !player.once) player.start({tick: player.loop ? null : player.tick, wait: false});
  }, "toggle-" + name);
  button.setAttribute("aria-pressed", "false");
  return button;
}

const strips = PARTS.map((name) => {
  const voice = make("button", {class: "voice", type: "button", "aria-pressed": "false", "aria-label": TEXT.mute(TEXT.parts[name].toLowerCase()), title: TEXT.mute(TEXT.parts[name].toLowerCase()), text: TEXT.parts[name],
    onclick: () => { player.muted[name] = !player.muted[name]; player.mix(); }});
  const solo = make("button", {class: "solo", type: "button", "aria-pressed": "false", "aria-label": TEXT.soloOf(TEXT.parts[name].toLowerCase()), title: TEXT.soloOf(TEXT.parts[name].toLowerCase()), text: "S",
    onclick: () => { player.alone = player.alone === name ? null : name; player.mix(); }});
  return [name, voice, solo, make("span", {class: "strip " + name}, voice, solo)];
});
host.append(start, play, clock, loop, count, metronome, ...strips.map((strip) => strip[3]), engine);

player.on((what) => {
  showClock();
  if (what === "tick") return;
  play.replaceChildren(icon(player.playing ? "stop" : "play", true));
  play.setAttribute("aria-label", player.playing ? TEXT.pause : TEXT.play);
  for (const [name, voice, solo] of strips) {
    voice.setAttribute("aria-pressed", String(Boolean(player.muted[name])));
    solo.setAttribute("aria-pressed", String(player.alone === name));
  }
});
project.on(showClock);

function showClock() {
  if (!project.now) return;
  const seconds = player.tick / player.second, bar = project.barAt(player.tick), [at] = project.shown.bars[bar - 1];
  const beat = Math.floor((player.tick - at) / project.shown.beat) + 1;
  const text = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  if (clock.dataset.at === text + bar + beat) return;
  clock.dataset.at = text + bar + beat;
  clock.replaceChildren(make("b", {text: bar + "." + beat}), "  " + text);
}

export function showEngine(told) {
  engine.classList.toggle("bad", told.stage === "failed");
  if (told.stage === "ready" || told.stage === "failed") {
    engine.replaceChildren(make("span", {class: "dot", "aria-hidden": "true"}), told.stage === "ready" ? TEXT.engine.ready : told.message || TEXT.engine.failed);
  } else {
    const bar = make("progress", {"aria-label": told.message});
    if (told.total) { bar.max = told.total; bar.value = told.done + 0.3; }
    engine.replaceChildren(told.message, bar);
  }
}
player.tell();
