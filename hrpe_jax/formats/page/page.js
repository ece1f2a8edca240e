// Draws the pieces of the page, plays them, and shows what the model says of a chord. Times are ticks, 12 to the quarter.
const data = JSON.parse(document.getElementById("data").textContent);
const TITLES = {melody: "Melody", chords: "Chords", bass: "Bass", drums: "Drums"};
const PARTS = ["content", "distance", "harmony"];
const ICONS = {play: "M7 4v16l13-8z", stop: "M6 4h4v16H6zM14 4h4v16h-4z"};

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function shape(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const percent = (p) => (p >= 0.0995 ? Math.round(100 * p) : (100 * p).toFixed(1)) + " %";
const clock = (s) => Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0");

// ---- One piece: where it is, what it shows.

class Piece {
  constructor(values, number) {
    Object.assign(this, values);
    this.number = number;
    const last = this.bars[this.bars.length - 1];
    this.end = last[0] + last[1];
    this.second = this.tempo * 12 / 60;  // ticks of a second
    this.tick = 0;
    this.voices = VOICES.filter((voice) => this[voice].length);
    this.muted = Object.fromEntries(VOICES.map((voice) => [voice, false]));
    this.events = VOICES.flatMap((voice) => this[voice].map((note) => [voice, ...note])).sort((a, b) => a[1] - b[1]);
    this.sound = this.audio ? make("audio", {src: this.audio, preload: "auto"}) : null;
    this.build();
    this.draw();
    this.show();
  }

  build() {
    const name = "title-" + this.number;
    this.icon = shape("path", {d: ICONS.play});
    this.button = make("button", {class: "play", type: "button", "aria-label": "Play " + this.title, onclick: () => player.toggle(this)},
      shape("svg", {viewBox: "0 0 24 24", "aria-hidden": "true"}, this.icon));
    const bars = this.bars.length + this.hidden;
    const facts = [this.key, this.meter, "\u2669 = " + Math.round(this.tempo * 10) / 10, bars + (bars === 1 ? " bar" : " bars")];
    this.clock = make("span", {class: "time"});
    this.mutes = {};
    for (const voice of this.voices) {
      this.mutes[voice] = make("button", {class: "pill voice " + voice, type: "button", "aria-pressed": "false",
        "aria-label": "Mute " + TITLES[voice].toLowerCase(), text: TITLES[voice], onclick: () => this.mute(voice)});
    }
    const links = [["MIDI", "data:audio/midi;base64," + this.midi, this.id + ".mid"], ...this.files.map(([what, at]) => [what, at, at])];
    this.systems = make("div", {class: "systems"});
    this.why = make("div", {class: "why", hidden: "", role: "region", "aria-live": "polite"});
    this.section = make("section", {"aria-labelledby": name, id: this.id},
      make("div", {class: "head"}, this.button,
        make("div", {}, make("h2", {id: name, text: this.title}), make("p", {class: "meta", text: facts.join(" \u00b7 ")}))),
      make("div", {class: "bar"}, ...this.voices.map((voice) => this.mutes[voice]), this.clock, make("span", {class: "space"}),
        ...links.map(([what, at, file]) => /^irealb:/.test(at) ? make("a", {class: "pill", href: at, text: what})
          : make("a", {class: "pill", href: at, download: file, text: "\u2193 " + what}))),
      ...this.notes(), this.systems);
    if (this.hidden) this.section.append(make("p", {class: "note", text: this.hidden + " more bars are in the files, not on this page."}));
    this.section.append(this.chart(), this.facts());
    this.section.addEventListener("pointerdown", () => player.choose(this));
    this.section.addEventListener("focusin", () => player.choose(this));
    document.getElementById("pieces").append(this.section);
  }

  // The engraved sheet: a picture whose notes are known by their ids.
  notes() {
    if (!this.sheet) return [];
    const picture = new DOMParser().parseFromString(this.sheet[0], "image/svg+xml").documentElement;
    this.paper = make("div", {class: "paper", role: "img", "aria-label": "Lead sheet of " + this.title}, document.importNode(picture, true));
    this.marker = make("div", {class: "marker"});
    this.paper.append(this.marker);
    this.marks = this.sheet[1].map(([tick, note, bar]) => [tick, this.paper.querySelector("#" + CSS.escape(note)), this.paper.querySelector("#" + CSS.escape(bar))]);
    this.marks.forEach(([tick, note]) => note && note.addEventListener("click", () => player.seek(this, tick)));
    return [this.paper];
  }

  read(playing) {
    if (!this.paper) return;
    let now = null;
    if (playing || this.tick > 0) for (const mark of this.marks) if (mark[0] <= this.tick + 0.01) now = mark;
    if (now === this.lit) return;
    if (this.lit && this.lit[1]) this.lit[1].classList.remove("on");
    this.lit = now;
    this.marker.style.display = now && now[1] ? "block" : "none";
    if (!now || !now[1]) return;
    now[1].classList.add("on");
    const box = this.paper.getBoundingClientRect(), note = now[1].getBoundingClientRect(), bar = now[2].querySelector(".staff").getBoundingClientRect();
    this.marker.style.left = note.left - box.left + this.paper.scrollLeft - 3 + "px";
    this.marker.style.top = bar.top - box.top - 8 + "px";
    this.marker.style.height = bar.height + 16 + "px";
  }

  chart() {
    const cells = this.bars.map(([start, length]) => {
      const inside = this.symbols.filter(([on]) => on >= start && on < start + length).map((s) => s[2]);
      return make("li", {}, ...(inside.length ? inside : ["%"]).map((text) => make("span", {text})));
    });
    return make("details", {}, make("summary", {text: "Chord chart"}), make("ol", {class: "chart", "aria-label": "Chords, bar by bar"}, ...cells));
  }

  facts() {
    const list = make("dl");
    for (const [name, value] of Object.entries(this.about)) list.append(make("dt", {text: name}), make("dd", {text: value}));
    return make("details", {}, make("summary", {text: "How it was made"}), list);
  }

  draw() {
    const columns = window.innerWidth < 640 ? 2 : 4;
    if (columns === this.columns) return;
    this.columns = columns;
    const scale = window.innerWidth < 640 ? 3.4 : 4;
    const pitches = this.events.filter((e) => e[0] !== "drums").map((e) => e[3]);
    const low = Math.min(60, ...pitches) - 2, high = Math.max(64, ...pitches) + 5;
    this.rows = [];
    this.tones = [];
    this.buttons = [];
    this.systems.replaceChildren();
    for (let first = 0; first < this.bars.length; first += columns) {
      const bars = this.bars.slice(first, first + columns);
      const start = bars[0][0], length = bars[bars.length - 1][0] + bars[bars.length - 1][1] - start;
      const whole = Math.max(length, columns * Math.max(...this.bars.map((b) => b[1])));
      const at = (tick) => 100 * (tick - start) / whole + "%";
      const wide = (ticks) => 100 * ticks / whole + "%";
      const cursor = make("div", {class: "cursor"});
      const label = `Piano roll, bars ${first + 1} to ${first + bars.length}`;
      const roll = make("div", {class: "roll", role: "img", "aria-label": label, style: {height: (high - low) * scale + "px"}}, cursor);
      for (let pitch = low; pitch < high; pitch++) {
        if ((pitch - this.tonic) % 12 === 0) roll.append(make("div", {class: "row", style: {top: (high - pitch) * scale - scale + "px", height: scale + "px"}}));
      }
      bars.forEach(([on, long], index) => {
        if (index) roll.append(make("div", {class: "line strong", style: {left: at(on)}}));
        for (let beat = on + this.beat; beat < on + long; beat += this.beat) roll.append(make("div", {class: "line", style: {left: at(beat)}}));
        roll.append(make("div", {class: "number", text: first + index + 1, style: {left: `calc(${at(on)} + 4px)`}}));
      });
      for (const [voice, on, long, pitch] of this.events) {
        if (voice === "drums" || on >= start + length || on + long <= start) continue;
        const from = Math.max(on, start), until = Math.min(on + long, start + length);
        const tone = make("div", {class: "tone " + voice, style: {left: at(from), width: `calc(${wide(until - from)} - 1px)`,
          top: (high - pitch) * scale - scale + "px", height: (voice === "melody" ? scale + 1.5 : scale) + "px"}});
        roll.append(tone);
        this.tones.push([tone, from, until, voice]);
      }
      const names = make("div", {class: "names"});
      this.symbols.forEach(([on, long, name, numeral, role]) => {
        if (on >= start + length || on + long <= start) return;
        const from = Math.max(on, start), until = Math.min(on + long, start + length);
        const choice = this.choiceAt(from);
        const narrow = name.length * 9 + 14 > (until - from) / whole * this.systems.clientWidth;
        const label = `${name}${from > on ? " (goes on)" : ""}, bar ${this.barOf(from) + 1}` + (choice >= 0 ? ": why this chord" : "");
        const button = make("button", {class: `symbol f${role}${narrow ? " narrow" : ""}`, type: "button", "aria-label": label,
          style: {left: at(from), width: wide(until - from)}, onclick: () => this.explain(choice, from)},
        make("b", {text: from > on ? "(" + name + ")" : name}), make("i", {text: numeral}));
        if (choice >= 0) button.setAttribute("aria-expanded", "false");
        names.append(button);
        this.buttons.push([button, choice, from]);
      });
      roll.addEventListener("click", (event) => {
        const box = roll.getBoundingClientRect();
        player.seek(this, start + Math.min(length - 1, (event.clientX - box.left) / box.width * whole));
      });
      const system = make("div", {class: "system"}, names, roll);
      this.systems.append(system);
      this.rows.push({start, length, whole, cursor, system});
    }
    for (const voice of this.voices) this.fade(voice);
    if (this.open >= 0) this.tell(this.open, this.told);
  }

  barOf(tick) {
    let bar = 0;
    while (bar + 1 < this.bars.length && this.bars[bar + 1][0] <= tick) bar++;
    return bar;
  }

  choiceAt(tick) {
    let found = -1;
    this.choices.forEach((choice, index) => { if (choice[0] <= tick) found = index; });
    return found;
  }

  mute(voice) {
    if (!this.mutes[voice]) return;
    this.muted[voice] = !this.muted[voice];
    this.mutes[voice].setAttribute("aria-pressed", this.muted[voice]);
    this.fade(voice);
    player.mutes(this);
  }

  fade(voice) {
    for (const [tone, , , own] of this.tones) if (own === voice) tone.style.opacity = this.muted[voice] ? 0.15 : 1;
  }

  show() {
    this.read(player.playing && player.piece === this);
    const playing = player.playing && player.piece === this;
    for (const row of this.rows) {
      const inside = this.tick >= row.start && this.tick < row.start + row.length && (playing || this.tick > 0);
      row.cursor.style.display = inside ? "block" : "none";
      if (inside) row.cursor.style.left = 100 * (this.tick - row.start) / row.whole + "%";
    }
    for (const [tone, from, until] of this.tones) tone.classList.toggle("on", playing && this.tick >= from && this.tick < until);
    this.clock.textContent = clock(this.tick / this.second) + " / " + clock(this.end / this.second);
    this.icon.setAttribute("d", playing ? ICONS.stop : ICONS.play);
    this.button.setAttribute("aria-label", (playing ? "Pause " : "Play ") + this.title);
  }

  explain(index, tick) {
    player.seek(this, tick);
    this.tell(this.open === index ? -1 : index, tick);
  }

  tell(index, tick) {
    const open = index < 0;
    this.open = index;
    this.told = tick;
    const weights = {};
    if (!open) for (const link of this.choices[index][4]) if (link[0] >= 0) weights[link[0]] = link[1];
    const most = Math.max(0.01, ...Object.values(weights));
    let after = null;
    for (const [button, choice, from] of this.buttons) {
      button.classList.toggle("seen", choice in weights);
      button.style.setProperty("--w", 100 * (weights[choice] || 0) / most + "%");
      if (choice >= 0) button.setAttribute("aria-expanded", String(!open && choice === index));
      if (from <= tick && choice === index) after = button.closest(".system");
    }
    this.why.hidden = open;
    if (open || !after) return;
    after.after(this.why);
    const [, name, chance, others, links] = this.choices[index];
    this.why.setAttribute("aria-label", "Why " + name);
    const rows = [[name, chance, true], ...others.map((o) => [...o, false])].flatMap(([text, p, own]) => [make("span", {text}),
      make("div", {class: "meter" + (own ? " own" : "")}, make("div", {style: {width: 100 * p + "%"}})), make("span", {text: percent(p)})]);
    const reach = Math.max(1, ...links.flatMap((l) => l.slice(2, 5).map(Math.abs)));
    const looked = links.flatMap(([from, weight, ...rest]) => {
      const parts = make("div", {class: "parts"}, make("div", {class: "zero", style: {left: "30%"}}));
      PARTS.forEach((part, i) => {
        const size = 70 * Math.abs(rest[i]) / reach * (rest[i] < 0 ? 30 / 70 : 1);
        parts.append(make("div", {class: "p" + i, style: {left: (rest[i] < 0 ? 30 - size : 30) + "%", width: size + "%"}}));
      });
      if (from < 0) return [make("span", {text: "key and meter"}), make("span"), make("span", {text: percent(weight)})];
      parts.setAttribute("role", "img");
      parts.setAttribute("aria-label", PARTS.map((part, i) => part + " " + rest[i]).join(", "));
      parts.title = PARTS.map((part, i) => part + " " + (rest[i] > 0 ? "+" : "") + rest[i]).join(", ") + " nats; strongest in layer " + (rest[3] + 1) + ", head " + (rest[4] + 1);
      return [make("span", {text: this.choices[from][1] + ", bar " + (this.barOf(this.choices[from][0]) + 1)}), parts, make("span", {text: percent(weight)})];
    });
    this.why.replaceChildren(
      make("h3", {text: "Why " + name + "?"}, make("button", {class: "pill", type: "button", text: "Close", onclick: () => this.tell(-1, tick)})),
      this.arcs(index),
      make("div", {class: "two"},
        make("div", {}, make("p", {class: "hint", text: "What the model expected here"}), make("div", {class: "cells"}, ...rows)),
        make("div", {}, make("p", {class: "hint", text: "Earlier chords it attended to, and what drew it there"}), make("div", {class: "cells"}, ...looked),
          make("p", {class: "hint key"}, make("span", {class: "k0", text: "content"}), make("span", {class: "k1", text: "distance (RoPE)"}),
            make("span", {class: "k2", text: "harmony (H-RPE)"})))));
  }

  arcs(index) {
    const wide = 1000, base = 56, x = (i) => 12 + (wide - 24) * this.choices[i][0] / this.end;
    const svg = shape("svg", {class: "arcs", viewBox: `0 0 ${wide} 70`, preserveAspectRatio: "none", "aria-hidden": "true"});
    this.choices.forEach((choice, i) => svg.append(shape("rect", {x: x(i), y: base, width: 4, height: i === index ? 12 : 7,
      fill: i === index ? "var(--accent)" : "var(--line)"})));
    for (const [from, weight, ...parts] of this.choices[index][4]) {
      if (from < 0) continue;
      const best = [0, 1, 2].reduce((a, b) => (parts[b] > parts[a] ? b : a));
      const a = x(from) + 2, b = x(index) + 2, top = base - Math.min(52, 8 + (b - a) / 9);
      svg.append(shape("path", {d: `M${a} ${base} C${a} ${top} ${b} ${top} ${b} ${base}`, stroke: `var(--${PARTS[best]})`,
        "stroke-width": 1 + 9 * weight, "stroke-opacity": 0.85, "vector-effect": "non-scaling-stroke"}));
    }
    return svg;
  }
}

// ---- The player: one piece at a time, notes handed to the sound a little ahead.

const player = {
  sound: null, piece: null, playing: false, next: 0, began: 0, from: 0,

  choose(piece) {
    if (this.piece === piece) return;
    if (this.playing) this.stop();
    this.piece = piece;
    for (const other of pieces) other.section.classList.toggle("current", other === piece);
  },

  toggle(piece) {
    if (this.playing && this.piece === piece) this.stop();
    else this.start(piece);
  },

  // The sound that was rendered plays while nothing is muted; else the page's own instruments.
  recorded() {
    return this.piece.sound && !this.piece.voices.some((voice) => this.piece.muted[voice]);
  },

  start(piece) {
    this.choose(piece);
    if (this.playing) this.stop();
    if (this.recorded()) {
      if (piece.tick >= piece.end - 1) piece.tick = 0;
      this.playing = this.tape = true;
      piece.sound.currentTime = piece.tick / piece.second;
      piece.sound.play().catch(() => { if (this.tape) this.stop(); });
      requestAnimationFrame(() => this.frame());
      return;
    }
    if (!this.sound) this.sound = new Sound();
    this.sound.context.resume();
    if (piece.tick >= piece.end - 1) piece.tick = 0;
    this.playing = true;
    this.from = piece.tick;
    this.began = this.sound.context.currentTime + 0.08;
    this.next = piece.events.findIndex((e) => e[1] + e[2] > this.from);
    if (this.next < 0) this.next = piece.events.length;
    this.mutes(piece);
    this.timer = setInterval(() => this.ahead(), 25);
    this.ahead();
    requestAnimationFrame(() => this.frame());
  },

  stop() {
    this.playing = false;
    clearInterval(this.timer);
    if (this.tape) this.piece.sound.pause();
    else this.sound.silence();
    this.tape = false;
    this.piece.show();
  },

  now() {
    if (this.tape) return this.piece.sound.currentTime * this.piece.second;
    return this.from + Math.max(0, this.sound.context.currentTime - this.began) * this.piece.second;
  },

  ahead() {
    const piece = this.piece, until = this.now() + 0.25 * piece.second;
    for (; this.next < piece.events.length && piece.events[this.next][1] < until; this.next++) {
      const [voice, on, long, pitch, velocity] = piece.events[this.next];
      const left = on + long - Math.max(on, this.from);
      if (left <= 0) continue;
      const start = this.began + Math.max(0, on - this.from) / piece.second;
      this.sound.note(voice, pitch, velocity, Math.max(start, this.sound.context.currentTime), left / piece.second * 0.97);
    }
  },

  frame() {
    if (!this.playing) return;
    const piece = this.piece;
    piece.tick = this.now();
    if (piece.tick >= piece.end + (this.tape ? piece.second : 0) || (this.tape && piece.sound.ended)) {
      piece.tick = 0;
      this.stop();
      return;
    }
    piece.show();
    requestAnimationFrame(() => this.frame());
  },

  seek(piece, tick) {
    this.choose(piece);
    const on = this.playing;
    if (on) this.stop();
    piece.tick = Math.max(0, Math.min(tick, piece.end - 1));
    if (on) this.start(piece);
    piece.show();
  },

  mutes(piece) {
    if (this.playing && this.piece === piece && Boolean(this.tape) !== Boolean(this.recorded())) {
      this.stop();
      this.start(piece);
    }
    if (this.sound && this.piece === piece) for (const voice of VOICES) this.sound.mute(voice, piece.muted[voice]);
  },
};

document.getElementById("intro").append("Click a roll to go there, a chord to see why it was chosen. ",
  ...[["Space", " plays, "], ["\u2190", " "], ["\u2192", " go by bars, "], ["\u2191", " "], ["\u2193", " by pieces, "], ["1", " "], ["2", " "], ["3", " "], ["4", " mute."]]
    .flatMap(([key, text]) => [make("kbd", {text: key}), text]));
const pieces = [];
for (const [number, values] of data.pieces.entries()) pieces.push(new Piece(values, number));
if (pieces.length) player.choose(pieces[0]);
if (data.more) document.getElementById("pieces").append(make("p", {class: "note", text: data.more + " more pieces are in the folder."}));
document.getElementById("pieces").append(make("p", {class: "hint key"}, make("span", {class: "kt", text: "tonic"}), make("span", {class: "ks", text: "subdominant"}),
  make("span", {class: "kd", text: "dominant, also of other degrees"}), make("span", {class: "kx", text: "borrowed and chromatic"})));
addEventListener("resize", () => pieces.forEach((piece) => { piece.draw(); piece.show(); }));

document.addEventListener("keydown", (event) => {
  const piece = player.piece;
  if (!piece || event.ctrlKey || event.metaKey || event.altKey) return;
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, a, summary")) return;
  const bar = piece.barOf(piece.tick);
  const keys = {
    " ": () => player.toggle(piece),
    ArrowLeft: () => player.seek(piece, piece.bars[Math.max(0, piece.tick - piece.bars[bar][0] > 3 && !player.playing ? bar : bar - 1)][0]),
    ArrowRight: () => player.seek(piece, piece.bars[Math.min(piece.bars.length - 1, bar + 1)][0]),
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    Home: () => player.seek(piece, 0),
    1: () => piece.mute("melody"),
    2: () => piece.mute("chords"),
    3: () => piece.mute("bass"),
    4: () => piece.mute("drums"),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

function step(by) {
  const piece = pieces[player.piece.number + by];
  if (!piece) return;
  player.choose(piece);
  piece.section.scrollIntoView({block: "nearest"});
  piece.button.focus({preventScroll: true});
}
