// The form: a block for each section that can be selected, made longer, moved, renamed, copied and deleted.
import {$, ask, icon, make, menu} from "./dom.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";

const host = $("form");
let drawn = "";
project.on((what) => { if (what !== "drawn") draw(); });

function draw() {
  const {shown} = project, most = Math.max(...shown.form.map((section) => section[2]));
  const stamp = JSON.stringify([project.id, shown.form]);
  if (stamp === drawn) { mark(); return; }
  drawn = stamp;
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  host.replaceChildren(...shown.form.map(([letter, first, bars], i) => {
    const number = i + 1;
    const name = make("button", {class: "name", type: "button", "data-key": "n" + number, "aria-label": TEXT.section(letter, bars),
      onclick: () => project.select(first, first + bars - 1)}, letter, make("small", {text: TEXT.bars(bars)}));
    const resize = (by, key, words, sign) => make("button", {type: "button", title: words, "aria-label": words, "data-key": key + number, disabled: bars + by < 1,
      onclick: () => project.act({do: "resize_section", section: number, bars: bars + by})}, sign);
    const more = make("button", {type: "button", title: TEXT.sectionMenu, "aria-label": TEXT.sectionMenu, "aria-haspopup": "menu", "data-key": "m" + number, text: "⋯", onclick: () => open(more, number, letter, first, bars)});
    const block = make("div", {class: "block", "data-number": number, style: {width: 5.2 + 5.5 * bars / Math.max(8, most) + "rem"}},
      name, resize(-1, "-", TEXT.fewerBars, "−"), resize(1, "+", TEXT.moreBars, "+"), more);
    drags(block, name, number);
    return block;
  }), make("button", {class: "add", type: "button", "data-key": "add", text: "+ " + TEXT.addSection, onclick: () => project.act({do: "add_section", letter: next(), bars: 8})}));
  mark();
  if (focused) host.querySelector(`[data-key="${focused}"]`)?.focus({preventScroll: true});
}

// The section that is selected as a whole.
function mark() {
  const {shown, selection} = project;
  for (const block of host.querySelectorAll(".block")) {
    const [, first, bars] = shown.form[Number(block.dataset.number) - 1];
    const whole = Boolean(selection) && selection.first === first && selection.last === first + bars - 1;
    block.classList.toggle("s", whole);
    block.querySelector(".name").setAttribute("aria-pressed", String(whole));
  }
}

function next() {
  const taken = new Set(project.now.form.map(([letter]) => letter[0]));
  return [..."ABCDEFGH"].find((letter) => !taken.has(letter)) || "X";
}

function open(button, number, letter, first, bars) {
  const count = project.now.form.length;
  menu(button, [
    {text: TEXT.rename, does: async () => { const name = await ask(TEXT.renamePrompt, letter); if (name) project.act({do: "rename_section", section: number, letter: name.trim()}); }},
    {text: TEXT.setLength, does: async () => { const long = await ask(TEXT.lengthPrompt, String(bars)); if (long && Number.isInteger(Number(long))) project.act({do: "resize_section", section: number, bars: Number(long)}); }},
    {text: TEXT.moveLeft, disabled: number === 1, does: () => project.act({do: "move_section", section: number, to: number - 1})},
    {text: TEXT.moveRight, disabled: number === count, does: () => project.act({do: "move_section", section: number, to: number + 1})},
    {text: TEXT.copySection, does: () => project.act({do: "add_section", letter, bars, at: number + 1, copy_of: number})},
    {text: TEXT.secondVerse, does: () => { project.select(first, first + bars - 1); project.tell({job: {kind: "verse", section: number}}); }},
    {text: TEXT.bridge, does: () => { project.select(first, first + bars - 1); project.tell({job: {kind: "bridge", after: number, bars: 8}}); }},
    {text: TEXT.deleteSection, disabled: count === 1, does: () => project.act({do: "delete_section", section: number})},
  ]);
}

// A block is dragged to its new place by its name; the keyboard has the menu.
function drags(block, handle, number) {
  let from = null, to = number;
  handle.addEventListener("pointerdown", (event) => { if (!event.button && event.pointerType !== "touch") from = event.clientX; }); // a finger scrolls
  handle.addEventListener("pointermove", (event) => {
    if (from === null || !(event.buttons & 1) || Math.abs(event.clientX - from) < 12) return;
    if (!block.classList.contains("drag")) { block.classList.add("drag"); handle.setPointerCapture(event.pointerId); }
    const blocks = [...host.querySelectorAll(".block")];
    for (const one of blocks) one.classList.remove("before");
    to = blocks.length;
    for (const one of blocks) {
      const area = one.getBoundingClientRect();
      if (event.clientX < area.left + area.width / 2) { to = Number(one.dataset.number); one.classList.add("before"); break; }
    }
    if (to > number && to <= blocks.length && blocks.some((one) => one.classList.contains("before"))) to -= 1;
  });
  const drop = () => {
    const moved = block.classList.contains("drag");
    from = null;
    block.classList.remove("drag");
    for (const one of host.querySelectorAll(".before")) one.classList.remove("before");
    if (moved && to !== number) project.act({do: "move_section", section: number, to});
  };
  handle.addEventListener("pointerup", drop);
  handle.addEventListener("pointercancel", drop);
}
