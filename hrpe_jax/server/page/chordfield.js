// The field in which the chords of a bar are typed, over the bar; it says at once what cannot be read.
import {post} from "./api.js";
import {$, make} from "./dom.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";
import {barBox, reveal} from "./sheet.js";

let field = null;

export function closeChords() {
  field?.remove();
  field = null;
}

export function openChords(number) {
  closeChords();
  if (project.preview) return;
  project.select(number);
  reveal(number);
  const bar = project.now.bars[number - 1];
  const input = make("input", {value: bar[2], "aria-label": TEXT.chordsOf(number), placeholder: TEXT.chordHint, autocomplete: "off", autocapitalize: "off", spellcheck: "false"});
  const words = make("p", {role: "status", text: TEXT.chordKeys});
  field = make("div", {id: "chordfield"}, input, words);
  const mine = field;
  let good = true, turn = 0;
  const check = async () => {
    const own = ++turn;
    const text = input.value.trim();
    if (!text) { good = true; mine.classList.remove("bad"); words.textContent = TEXT.chordKeys; return; }
    const answer = await post("api/chords", {text, key: project.now.key, meter: project.now.meter});
    if (own !== turn || mine !== field) return;
    good = answer.ok;
    mine.classList.toggle("bad", !good);
    input.setAttribute("aria-invalid", String(!good));
    words.textContent = good ? answer.bars.map((names) => names.join(" ") || "–").join(" | ") : answer.problem;
  };
  const write = async () => {
    await check();
    if (!good) return false;
    if (input.value.trim() === bar[2]) return true;
    return project.act({do: "set_chords", bar: number, text: input.value});
  };
  input.addEventListener("input", check);
  input.addEventListener("keydown", async (event) => {
    event.stopPropagation();
    if (event.key === "Escape") { closeChords(); barBox(number)?.focus(); }
    else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      const typed = input.value.trim().replace(/^\||\|$/g, "").split("|").length;
      if (!(await write())) { input.focus(); return; }
      const next = number + (event.key === "Tab" ? (event.shiftKey ? -1 : typed) : 0);
      if (event.key === "Tab" && next >= 1 && next <= project.now.bars.length) openChords(next);
      else { closeChords(); barBox(number)?.focus(); }
    }
  });
  input.addEventListener("blur", () => setTimeout(async () => {
    if (mine === field && !mine.contains(document.activeElement)) { await write(); if (mine === field) closeChords(); }
  }, 120));
  const box = barBox(number), host = $("sheet");
  const visible = box && host.clientHeight > 60;
  if (visible) {
    const area = box.getBoundingClientRect(), frame = host.getBoundingClientRect();
    host.append(field);
    field.style.left = Math.max(4, Math.min(area.left - frame.left, host.clientWidth - field.offsetWidth - 8)) + "px";
    field.style.top = area.top - frame.top + host.scrollTop - 6 + "px";
  } else {
    $("roll").append(field);
    field.style.left = "3rem";
    field.style.top = "2.6rem";
  }
  input.focus({preventScroll: true});
  input.select();
}
