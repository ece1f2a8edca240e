// Small helpers for elements.
import {TEXT} from "./text.js";

export const $ = (id) => document.getElementById(id);

// An element with attributes; `text`, `class`, `data` and on* are what they say, children follow.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const PATHS = {
  undo: "M9 7 4 12l5 5M4 12h10a6 6 0 0 1 0 12", redo: "m15 7 5 5-5 5M20 12H10a6 6 0 0 0 0 12",
  play: "M7 4v16l13-8z", stop: "M6 5h12v14H6z", loop: "M4 12V9a4 4 0 0 1 4-4h11m-3-3 3 3-3 3M20 12v3a4 4 0 0 1-4 4H5m3 3-3-3 3-3",
  metronome: "M9 3h6l4 18H5zM12 15l6-9", count: "M5 5v14M10 5v14M15 5v14M20 5v14", start: "M6 5v14M19 5 9 12l10 7z", pencil: "m4 20 1-4L16 5l3 3L8 19z", closer: "M12 5v14M5 12h14", farther: "M5 12h14",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3", more: "M5 12h.01M12 12h.01M19 12h.01", plus: "M12 6v12M6 12h12", minus: "M6 12h12",
};

export function icon(name, solid = false) {
  return shape("svg", {viewBox: "0 0 24 24", "aria-hidden": "true", ...(solid ? {class: "solid"} : {})}, shape("path", {d: PATHS[name]}));
}

// Fills in the words of the page's own elements.
export function label(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = TEXT[element.dataset.text];
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", TEXT[element.dataset.label]);
    if (element.matches("button, input")) element.title = TEXT[element.dataset.label];
  }
}

let toastTimer = 0;
export function toast(words, seconds = 6) {
  const box = $("toast");
  box.textContent = words;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, seconds * 1000);
}

// A dialog with a title; resolves when it is closed.
export function dialog(title, fill) {
  const box = $("dialog");
  box.replaceChildren(make("h2", {text: title}));
  box.setAttribute("aria-label", title);
  fill(box, () => box.close());
  if (!box.open) box.showModal();
}

// A question for one line of text; null where it is left.
export function ask(question, value = "") {
  return new Promise((resolve) => {
    dialog(question, (box, close) => {
      const input = make("input", {value, class: "wide", "aria-label": question, maxlength: 100});
      let answer = null;
      const form = make("form", {method: "dialog", onsubmit: () => { answer = input.value; }}, input,
        make("div", {class: "end"}, make("button", {class: "plain", type: "button", text: TEXT.cancel, onclick: close}), make("button", {class: "main", text: "OK"})));
      box.append(form);
      const closed = () => {
        if (box.open) return; // a dialog before this one, whose event comes late
        box.removeEventListener("close", closed);
        resolve(answer);
      };
      box.addEventListener("close", closed);
      queueMicrotask(() => { input.focus(); input.select(); });
    });
  });
}

// A menu under a button.
export function menu(button, entries) {
  document.querySelector(".menu")?.remove();
  const box = make("div", {class: "menu", role: "menu"});
  const shut = () => { box.remove(); button.setAttribute("aria-expanded", "false"); document.removeEventListener("pointerdown", outside, true); };
  const outside = (event) => { if (!box.contains(event.target)) shut(); };
  for (const entry of entries) {
    const item = entry.element || make("button", {type: "button", text: entry.text, disabled: entry.disabled});
    item.setAttribute("role", "menuitem");
    item.addEventListener("click", () => { shut(); button.focus({preventScroll: true}); entry.does?.(); });
    box.append(item);
  }
  box.addEventListener("keydown", (event) => {
    const items = [...box.children].filter((one) => !one.disabled), at = items.indexOf(document.activeElement);
    if (event.key === "Escape" || event.key === "Tab") { shut(); button.focus(); }
    else if (event.key === "Home") items[0].focus();
    else if (event.key === "End") items.at(-1).focus();
    else if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (event.key === "ArrowUp") items[(at + items.length - 1) % items.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.body.append(box);
  const place = button.getBoundingClientRect();
  box.style.left = Math.max(6, Math.min(place.left, innerWidth - box.offsetWidth - 6)) + "px";
  const below = place.bottom + 4;
  box.style.top = (below + box.offsetHeight > innerHeight ? Math.max(6, place.top - box.offsetHeight - 4) : below) + "px";
  button.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  box.firstElementChild?.focus();
}
