// What the piece is like: key, meter, tempo, band, and what suggestions are asked to be like.
import {$, make} from "./dom.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";

const fields = {};
const host = $("controls");

function field(name, control) {
  control.id = "set-" + name;
  fields[name] = control;
  return make("label", {class: "field"}, make("span", {text: TEXT[name]}), control);
}
const options = (list) => list.map(([value, text]) => make("option", {value, text}));

export function buildControls(choices) {
  const act = (action) => project.act(action);
  const key = make("select", {}, ...options(choices.keys));
  key.addEventListener("change", () => act({do: "set_key", key: key.value, transpose: true}));
  const meter = make("select", {}, ...options(choices.meters.map((one) => [one, one])));
  meter.addEventListener("change", () => act({do: "set_meter", meter: meter.value}));
  const tempo = make("input", {type: "number", min: choices.tempo[0], max: choices.tempo[1], step: "1", inputmode: "numeric"});
  tempo.addEventListener("change", () => act({do: "set_tempo", tempo: Number(tempo.value)}));
  const style = make("select", {}, ...options([["", TEXT.anyStyle], ...choices.styles.map((one) => [one, one])]));
  style.addEventListener("change", () => act({do: "set_settings", style: style.value}));
  const band = make("select", {}, ...options([["", TEXT.anyBand], ...choices.bands.map((one) => [one, one.replace("_", " ")])]));
  band.addEventListener("change", () => act({do: "set_settings", band: band.value}));
  const range = make("input", {class: "text", placeholder: TEXT.rangeHint, autocomplete: "off", spellcheck: "false"});
  range.addEventListener("change", async () => range.setAttribute("aria-invalid", String(!(await act({do: "set_settings", range: range.value})))));
  const density = make("input", {type: "number", min: "0.5", max: "16", step: "0.5", placeholder: TEXT.any});
  density.addEventListener("change", () => act(density.value ? {do: "set_settings", density: Number(density.value)} : {do: "set_settings", any_density: true}));
  const view = make("select", {}, ...options([["both", TEXT.viewBoth], ["sheet", TEXT.viewSheet], ["roll", TEXT.viewRoll]]));
  view.value = localStorage.getItem("view") || (matchMedia("(max-width: 40rem)").matches ? "sheet" : "both"); // a phone has room for one
  const see = () => {
    document.body.classList.remove("view-both", "view-sheet", "view-roll");
    document.body.classList.add("view-" + view.value);
    localStorage.setItem("view", view.value);
  };
  view.addEventListener("change", see);
  see();
  host.append(field("key", key), field("meter", meter), field("tempo", tempo), field("style", style), field("band", band), field("range", range),
    field("density", density), make("span", {class: "space"}), field("view", view));
  for (const input of host.querySelectorAll("input")) input.addEventListener("keydown", (event) => { if (event.key === "Enter") input.blur(); });
}

project.on(() => {
  const now = project.now, s = now.settings;
  const values = {key: now.key, meter: now.meter, tempo: Math.round(now.tempo * 100) / 100, style: s.style, band: s.band, range: s.range, density: s.density ?? ""};
  for (const [name, value] of Object.entries(values)) {
    const control = fields[name];
    if (!control || control === document.activeElement) continue;
    if (control.tagName === "SELECT" && ![...control.options].some((one) => one.value === value)) control.append(make("option", {value, text: value}));
    control.value = value;
  }
  const title = $("title");
  if (title !== document.activeElement) title.value = now.title;
  title.placeholder = TEXT.untitled;
  document.title = (now.title || TEXT.untitled) + " · hrpe_jax";
  $("undo").disabled = !now.undo;
  $("redo").disabled = !now.redo;
  $("undo").title = TEXT.undo + (now.undo ? ": " + now.undo : "");
  $("redo").title = TEXT.redo + (now.redo ? ": " + now.redo : "");
});
