// Playback: pieces of sound from the server, scheduled a little ahead, a voice for each part; clicks and the loop.
import {post, request} from "./api.js";
import {toast} from "./dom.js";
import {project} from "./project.js";
import {showCursor} from "./sheet.js";
import {bring, rollCursor} from "./roll.js";

const AHEAD = 2.5, KEPT = 260; // seconds of sound that are scheduled ahead; decoded pieces that are kept
const decoded = new Map();

export const player = {
  context: null, voices: {}, muted: {}, alone: null, playing: false, tick: 0, loop: false, countIn: false, metronome: false,
  run: 0, sources: [], listeners: [],

  on(listener) { this.listeners.push(listener); },
  tell() { for (const listener of this.listeners) listener(); },
  get second() { return project.shown.tempo * 12 / 60; }, // ticks

  setUp() {
    if (this.context) return;
    this.context = new AudioContext({latencyHint: "interactive"});
    this.squeeze = new DynamicsCompressorNode(this.context, {threshold: -10, ratio: 4, attack: 0.004, release: 0.15});
    this.squeeze.connect(this.context.destination);
    this.clicks = new GainNode(this.context, {gain: 0.5});
    this.clicks.connect(this.context.destination);
  },
  voice(name) {
    if (!this.voices[name]) {
      this.voices[name] = new GainNode(this.context, {gain: this.level(name)});
      this.voices[name].connect(this.squeeze);
    }
    return this.voices[name];
  },
  level(name) { return this.alone ? Number(this.alone === name) : Number(!this.muted[name]); },
  mix() {
    for (const [name, gain] of Object.entries(this.voices)) gain.gain.setTargetAtTime(this.level(name), this.context.currentTime, 0.012);
    this.tell();
  },

  // Plays bars; of what is shown (the piece or an alternative). `once` ends behind the last bar.
  async start({first = null, last = null, tick = null, once = false, wait = true} = {}) {
    this.setUp();
    this.stop(false);
    const run = ++this.run, count = project.shown.bars.length, selection = project.selection;
    const looped = this.loop && !once && selection;
    const from = first || (looped ? selection.first : tick !== null ? project.barAt(tick) : 1);
    const to = last || (looped ? selection.last : count);
    this.playing = true;
    this.tell();
    try {
      await this.context.resume();
      const plan = await post(project.base + "/sound", {...project.which, first: from, last: to});
      if (run !== this.run) return;
      this.plan = plan;
      this.parts = plan.parts;
      this.chunks = plan.chunks;
      this.begin = plan.chunks[0].tick;
      const final = plan.chunks.at(-1);
      this.finish = final.tick + final.ticks;
      this.loops = Boolean(looped) && !first;
      this.once = once;
      const at = Math.max(this.begin, tick ?? this.begin);
      await this.load(this.chunkAt(at));
      if (run !== this.run) return;
      let zero = this.context.currentTime + 0.08;
      const beat = project.shown.beat;
      if (this.countIn && wait && !once) {
        const [, long] = project.shown.bars[from - 1], clicks = Math.max(1, Math.round(long / beat));
        for (let i = 0; i < clicks; i++) this.click(zero + i * beat / this.second, i === 0);
        zero += clicks * beat / this.second;
      }
      this.zero = zero - (at - this.begin) / this.second; // when `begin` sounds, or would have
      this.next = this.chunkAt(at);
      this.skip = at;
      this.nextClick = Math.ceil(at / beat) * beat;
      this.round = 0;
      this.timer = setInterval(() => this.fill(run), 60);
      this.fill(run);
      requestAnimationFrame(() => this.frame(run));
    } catch (problem) {
      if (run !== this.run) return;
      this.stop();
      toast(problem.message);
    }
  },

  chunkAt(tick) { return Math.max(0, this.chunks.findLastIndex((chunk) => chunk.tick <= tick)); },

  async load(index) {
    const wanted = Object.values(this.chunks[index].parts).filter((key) => !decoded.has(key));
    await Promise.all(wanted.map(async (key) => {
      const data = await (await request("GET", "api/sound/" + key)).arrayBuffer();
      decoded.set(key, await this.context.decodeAudioData(data));
      if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
    }));
  },

  // Schedules pieces until enough is ahead. A piece that comes late moves all that follows.
  async fill(run) {
    if (this.filling) return;
    this.filling = true;
    try {
      while (run === this.run && this.next < this.chunks.length) {
        const chunk = this.chunks[this.next], start = this.zero + (chunk.tick - this.begin) / this.second, now = this.context.currentTime;
        if (start - now > AHEAD) break;
        await this.load(this.next);
        if (run !== this.run) return;
        const late = this.context.currentTime + 0.02 - Math.max(start, this.zero + (this.skip - this.begin) / this.second);
        if (late > 0.12 && this.skip <= chunk.tick) this.zero += late;
        this.schedule(chunk);
        this.next++;
        if (this.next === this.chunks.length && this.loops) {
          this.zero += (this.finish - this.begin) / this.second;
          this.round++;
          this.next = 0;
          this.skip = this.begin;
        }
      }
      if (run === this.run && this.metronome) this.tick_();
    } catch (problem) {
      if (run === this.run) { this.stop(); toast(problem.message); }
    } finally { this.filling = false; }
  },

  schedule(chunk) {
    const at = this.zero + (chunk.tick - this.begin) / this.second - this.plan.lead;
    const inside = Math.max(0, (this.skip - chunk.tick) / this.second);
    for (const [name, key] of Object.entries(chunk.parts)) {
      const buffer = decoded.get(key);
      if (!buffer) continue;
      const source = new AudioBufferSourceNode(this.context, {buffer});
      const edge = new GainNode(this.context, {gain: 1});
      source.connect(edge).connect(this.voice(name));
      const now = this.context.currentTime;
      let offset = inside > 0 ? inside + this.plan.lead : 0, when = at + offset;
      if (when < now) { offset += now - when; when = now; }
      if (offset > 0) { edge.gain.setValueAtTime(0, when); edge.gain.linearRampToValueAtTime(1, when + 0.01); }
      if (offset < buffer.duration) source.start(when, offset);
      source.edge = edge;
      source.onended = () => { this.sources = this.sources.filter((one) => one !== source); };
      this.sources.push(source);
    }
  },

  tick_() {
    const beat = project.shown.beat, until = this.where() + 0.4 * this.second;
    if (this.nextClick < this.where() - 2 * beat || this.nextClick > until + 4 * beat) this.nextClick = Math.ceil(this.where() / beat) * beat;
    for (; this.nextClick < until; this.nextClick += beat) {
      const when = this.context.currentTime + (this.nextClick - this.where()) / this.second;
      if (when > this.context.currentTime) this.click(when, project.shown.bars.some(([start]) => start === this.nextClick));
    }
  },
  click(when, strong) {
    const tone = new OscillatorNode(this.context, {frequency: strong ? 1760 : 1175}), gain = new GainNode(this.context, {gain: 0});
    gain.gain.setValueAtTime(strong ? 0.9 : 0.55, when);
    gain.gain.exponentialRampToValueAtTime(0.001, when + 0.05);
    tone.connect(gain).connect(this.clicks);
    tone.start(when);
    tone.stop(when + 0.06);
    this.sources.push(tone);
  },

  // Where it plays, in ticks; in a loop the clock of the next round may run already.
  where() {
    const long = this.finish - this.begin;
    let tick = this.begin + (this.context.currentTime - this.zero) * this.second;
    if (this.loops) while (tick < this.begin && this.round > 0 && tick + long >= this.begin) tick += long;
    return tick;
  },

  frame(run) {
    if (run !== this.run || !this.playing) return;
    const tick = this.where();
    if (!this.loops && tick >= this.finish + (this.once ? 0.3 : 1) * this.second) {
      const ended = this.ended;
      this.stop(!this.once);
      if (!this.once) this.seek(0);
      ended?.();
      return;
    }
    if (tick < this.finish) {
      this.tick = Math.max(0, tick);
      showCursor(this.tick, true);
      rollCursor(this.tick, true);
      for (const listener of this.listeners) listener("tick");
    }
    requestAnimationFrame(() => this.frame(run));
  },

  stop(tell = true) {
    this.run++;
    clearInterval(this.timer);
    const now = this.context?.currentTime;
    for (const source of this.sources) {
      try {
        source.edge?.gain.setTargetAtTime(0, now, 0.012);
        source.stop(now + 0.06);
      } catch { /* not begun */ }
    }
    this.sources = [];
    this.playing = false;
    this.ended = null;
    if (tell) this.tell();
  },

  toggle() {
    if (this.playing) { this.stop(); return; }
    const selection = project.selection;
    this.start({tick: this.loop && selection ? null : this.tick});
  },

  seek(tick) {
    this.tick = Math.max(0, Math.min(tick, project.end - 1));
    if (this.playing && !this.once) { this.start({tick: this.tick, wait: false}); return; }
    for (const listener of this.listeners) listener("tick");
    showCursor(this.tick, true);
    rollCursor(this.tick, false);
    bring(this.tick);
  },
};

// While it plays an edit is heard as soon as its bar comes.
let revision = 0;
project.on((what) => {
  if (what === "project") { player.stop(); player.tick = 0; revision = project.now.revision; showCursor(null); rollCursor(null); return; }
  if (what !== "music" || project.now.revision === revision) return;
  revision = project.now.revision;
  if (player.playing && !player.once) player.start({tick: player.tick, wait: false});
});
