"use strict";
// The sound of the page, by WebAudio; loaded before page.js.
const VOICES = ["melody", "chords", "bass", "drums"];

// ---- Sound: one context for the page, one gain for each voice of the piece that plays.

class Sound {
  constructor() {
    const Context = window.AudioContext || window.webkitAudioContext;
    this.context = new Context();
    const squeeze = this.context.createDynamicsCompressor();
    squeeze.connect(this.context.destination);
    this.room = this.context.createConvolver();
    this.room.buffer = this.echo();
    const wet = this.context.createGain();
    wet.gain.value = 0.16;
    this.room.connect(wet).connect(squeeze);
    this.out = squeeze;
    this.voices = {};
    for (const voice of VOICES) {
      this.voices[voice] = this.context.createGain();
      this.voices[voice].connect(this.out);
      this.voices[voice].connect(this.room);
    }
    this.live = new Set();
  }

  echo() {
    const rate = this.context.sampleRate, length = Math.round(rate * 1.4);
    const buffer = this.context.createBuffer(2, length, rate);
    for (let ear = 0; ear < 2; ear++) {
      const samples = buffer.getChannelData(ear);
      let low = 0;
      for (let i = 0; i < length; i++) {
        low += 0.35 * (Math.random() * 2 - 1 - low);
        samples[i] = low * Math.exp(-i / rate / 0.3);
      }
    }
    return buffer;
  }

  mute(voice, muted) {
    this.voices[voice].gain.setTargetAtTime(muted ? 0 : 1, this.context.currentTime, 0.015);
  }

  // A drum by its General MIDI key: a falling tone for the kick and toms, filtered noise for the others.
  drum(pitch, velocity, start) {
    const c = this.context, gain = c.createGain(), loud = (velocity / 127) ** 1.4;
    gain.connect(this.voices.drums);
    if (pitch <= 36 || [41, 43, 45, 47, 48, 50].includes(pitch)) {
      const tone = c.createOscillator(), from = pitch <= 36 ? 130 : 90 + (pitch - 40) * 14;
      tone.frequency.setValueAtTime(from, start);
      tone.frequency.exponentialRampToValueAtTime(from * 0.4, start + 0.12);
      gain.gain.setValueAtTime(0.8 * loud, start);
      gain.gain.exponentialRampToValueAtTime(0.001, start + 0.28);
      tone.connect(gain);
      this.play(tone, start, 0.3);
      return;
    }
    const long = {38: 0.16, 40: 0.14, 46: 0.35, 49: 0.9, 51: 0.4, 53: 0.5}[pitch] || 0.06;
    const noise = c.createBufferSource(), filter = c.createBiquadFilter();
    if (!this.hiss) {
      this.hiss = c.createBuffer(1, c.sampleRate, c.sampleRate);
      this.hiss.getChannelData(0).forEach((_, i, all) => { all[i] = Math.random() * 2 - 1; });
    }
    noise.buffer = this.hiss;
    filter.type = pitch === 38 || pitch === 40 || pitch === 37 ? "bandpass" : "highpass";
    filter.frequency.value = {37: 1700, 38: 1900, 40: 2400, 51: 6000}[pitch] || 7000;
    gain.gain.setValueAtTime((pitch === 38 ? 0.5 : 0.22) * loud, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + long);
    noise.connect(filter).connect(gain);
    this.play(noise, start, long);
  }

  play(source, start, seconds) {
    source.start(start);
    source.stop(start + seconds);
    this.live.add(source);
    source.onended = () => this.live.delete(source);
  }

  note(voice, pitch, velocity, start, seconds) {
    if (voice === "drums") {
      this.drum(pitch, velocity, start);
      return;
    }
    const c = this.context, frequency = 440 * 2 ** ((pitch - 69) / 12);
    const gain = c.createGain(), soft = c.createBiquadFilter();
    soft.type = "lowpass";
    soft.frequency.setValueAtTime(Math.min(9000, frequency * (voice === "melody" ? 9 : 5)), start);
    soft.frequency.setTargetAtTime(Math.min(9000, frequency * (voice === "melody" ? 3 : 2)), start, 0.4);
    const loud = {melody: 0.34, chords: 0.1, bass: 0.36}[voice] * (velocity / 100) ** 1.2;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(loud, start + 0.008);
    gain.gain.setTargetAtTime(loud * 0.25, start + 0.01, voice === "bass" ? 0.6 : 0.9);
    gain.gain.setTargetAtTime(0, start + seconds, 0.05);
    const partials = {melody: [["triangle", 1, 0.8], ["sine", 2, 0.3]], chords: [["triangle", 1, 0.9], ["sine", 1.004, 0.5]],
      bass: [["sine", 1, 1], ["triangle", 2, 0.16]]}[voice];
    for (const [type, ratio, level] of partials) {
      if (frequency * ratio > 0.45 * c.sampleRate) continue;
      const tone = c.createOscillator(), part = c.createGain();
      tone.type = type;
      tone.frequency.value = frequency * ratio;
      part.gain.value = level;
      tone.connect(part).connect(gain);
      tone.start(start);
      tone.stop(start + seconds + 0.4);
      this.live.add(tone);
      tone.onended = () => this.live.delete(tone);
    }
    gain.connect(soft).connect(this.voices[voice]);
  }

  silence() {
    for (const tone of this.live) { try { tone.stop(); } catch { /* not begun */ } }
    this.live.clear();
  }
}
