// Why the model would write the chords that are there: what it expected, and which earlier ones it attended to.
import {post, get} from "./api.js";
import {make, toast} from "./dom.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";

export async function explain(host) {
  const {selection, now} = project, id = project.id;
  const box = make("div", {class: "why", role: "status", tabindex: "-1"}, make("p", {text: TEXT.working.explain}));
  host.querySelector(".why")?.remove();
  host.append(box);
  box.scrollIntoView({block: "nearest"});
  try {
    let told = await post(project.base + "/jobs", {kind: "explain"});
    while (told.status !== "done") told = await get(`api/projects/${id}/jobs/${told.id}`);
    const chords = told.answer.chords, from = now.bars[selection.first - 1][0], last = now.bars[selection.last - 1];
    const inside = chords.map((chord, i) => [chord, i]).filter(([chord]) => chord.tick >= from && chord.tick < last[0] + last[1]);
    if (!inside.length) inside.push(...chords.map((chord, i) => [chord, i]).filter(([chord]) => chord.tick <= from).slice(-1));
    if (!inside.length) { box.replaceChildren(make("p", {text: TEXT.whyNone})); return; }
    let at = 0;
    const draw = () => {
      const [chord] = inside[at];
      const bar = project.barAt(chord.tick);
      const rows = [[chord.chord, chord.probability], ...chord.others].flatMap(([name, p]) => [make("span", {text: name}), make("meter", {value: p, max: 1, "aria-label": name}), make("span", {text: Math.round(100 * p) + "%"})]);
      const links = chord.links.flatMap(([event, weight]) => {
        const name = event < 0 ? TEXT.whyBeginning : chords[event].chord + ", " + TEXT.bar(project.barAt(chords[event].tick)).toLowerCase();
        return [make("span", {text: name}), make("meter", {value: weight, max: 1, "aria-label": name}), make("span", {text: Math.round(100 * weight) + "%"})];
      });
      const plan = planAt(told.answer, bar);
      box.replaceChildren(make("h3", {}, TEXT.whyTitle(chord.chord, bar), make("button", {class: "plain", type: "button", text: TEXT.close, onclick: () => box.remove()})),
        ...(plan ? [make("p", {class: "plan", text: plan})] : []), make("p", {text: TEXT.whyExpected}), make("div", {class: "cells"}, ...rows), make("p", {text: TEXT.whyLooked}), make("div", {class: "cells"}, ...links),
        ...(inside.length > 1 ? [make("div", {class: "pair"}, ...inside.map(([one], i) => make("button", {class: i === at ? "main" : "plain", type: "button", text: one.chord, onclick: () => { at = i; draw(); }})))] : []));
    };
    draw();
  } catch (problem) {
    box.remove();
    toast(problem.message || TEXT.offline);
  }
}

// What the model knew of the piece at a bar: its section, which time it comes, and the style.
function planAt({form, style}, bar) {
  const at = form.findIndex(([, first, bars]) => first <= bar && bar < first + bars);
  if (at < 0) return style && TEXT.whyStyle(style);
  const [letter, first, bars] = form[at], name = letter.replace(/'+$/, "");
  const time = form.slice(0, at + 1).filter(([other]) => other.replace(/'+$/, "") === name).length;
  return TEXT.whyPlan(letter, time, bar - first + 1, bars, style);
}
