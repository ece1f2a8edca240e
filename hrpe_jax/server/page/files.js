// Projects, versions, import and export.
import {get, link, post, remove, request} from "./api.js";
import {$, ask, dialog, make, menu, toast} from "./dom.js";
import {project} from "./project.js";
import {TEXT} from "./text.js";

const ago = (seconds) => new Date(seconds * 1000).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"});

export async function create() {
  await project.queue;
  const view = await post("api/projects", {bars: 8});
  history.replaceState(null, "", "#" + view.id);
  project.take(view);
}

export async function projects() {
  const {projects: list} = await get("api/projects");
  dialog(TEXT.openProject, (box, close) => {
    const rows = make("div", {class: "rows"}, ...list.map((one) => {
      const row = make("div", {class: "row"}, make("button", {type: "button", text: one.title || TEXT.untitled, "aria-current": one.id === project.id ? "true" : null,
        onclick: async () => { close(); await project.queue; project.open(one.id).catch((problem) => toast(problem.message)); }}), make("time", {text: ago(one.changed)}),
      make("button", {class: "plain", type: "button", text: TEXT.delete, onclick: async () => {
        if (!confirm(TEXT.deleteAsk(one.title || TEXT.untitled))) return;
        await remove("api/projects/" + one.id);
        row.remove();
        if (one.id === project.id) { close(); await create(); }
      }}));
      return row;
    }));
    if (!list.length) rows.append(make("p", {class: "soft", text: TEXT.noProjects}));
    box.append(rows, make("div", {class: "end"}, make("button", {class: "plain", type: "button", text: TEXT.close, onclick: close}),
      make("button", {class: "plain", type: "button", text: TEXT.importFile, onclick: () => { close(); $("file").click(); }}),
      make("button", {class: "main", type: "button", text: TEXT.newProject, onclick: () => { close(); create(); }})));
  });
}

export function versions() {
  dialog(TEXT.versions, (box, close) => {
    const {now} = project;
    const rows = make("div", {class: "rows"}, ...now.versions.map(([name, time], i) => make("div", {class: "row"}, make("button", {type: "button", text: name, title: TEXT.restore,
      onclick: () => { close(); project.act({do: "restore_version", number: i + 1}); }}), make("time", {text: ago(time)}),
    make("button", {class: "plain", type: "button", text: TEXT.delete, onclick: () => { close(); project.act({do: "delete_version", number: i + 1}); }}))).reverse());
    if (!now.versions.length) rows.append(make("p", {class: "soft", text: TEXT.noVersions}));
    const steps = make("div", {class: "rows"}, ...now.history.slice(0, 20).map(([words, time]) => make("div", {class: "row"}, make("span", {text: words}), make("span", {class: "space"}), make("time", {text: ago(time)}))));
    box.append(rows, make("h2", {text: `${TEXT.steps} (${now.steps})`}), steps, make("div", {class: "end"}, make("button", {class: "plain", type: "button", text: TEXT.close, onclick: close}),
      make("button", {class: "main", id: "keep-version", type: "button", text: TEXT.keepVersion, onclick: async () => {
        close();
        const name = await ask(TEXT.versionName, "");
        if (name !== null) project.act({do: "keep_version", name});
      }})));
  });
}

export async function readFile(file) {
  if (!file) return;
  toast(file.name + "…");
  try {
    await project.queue;
    const view = await (await request("POST", "api/import?name=" + encodeURIComponent(file.name), file)).json();
    history.replaceState(null, "", "#" + view.id);
    project.take(view);
    toast(TEXT.imported);
  } catch (problem) { toast(problem.message || TEXT.offline, 10); }
}

const TYPES = {mid: "audio/midi", wav: "audio/wav", pdf: "application/pdf", musicxml: "application/xml"};

// Export: a click saves; a file can be dragged into another program where the browser can.
export function exports() {
  menu($("export"), Object.entries(TEXT.exportKinds).map(([kind, words]) => {
    const address = link(`${project.base}/export/${kind}`), name = (project.now.title.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_|_$/g, "") || "piece") + "." + kind;
    const element = make("a", {href: address, download: name, draggable: "true", "data-kind": kind}, words, kind === "mid" ? make("small", {text: TEXT.exportDrag}) : null);
    element.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("DownloadURL", `${TYPES[kind] || "application/octet-stream"}:${name}:${new URL(address, location.href)}`);
      event.dataTransfer.effectAllowed = "copy";
    });
    return {element};
  }));
}

export function takeDrops() {
  const box = $("drop");
  let deep = 0;
  const files = (event) => [...event.dataTransfer?.types || []].includes("Files");
  addEventListener("dragenter", (event) => { if (files(event)) { deep++; box.textContent = TEXT.drop; box.hidden = false; event.preventDefault(); } });
  addEventListener("dragleave", (event) => { if (files(event) && --deep <= 0) { deep = 0; box.hidden = true; } });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    deep = 0;
    box.hidden = true;
    readFile(event.dataTransfer.files[0]);
  });
  $("file").addEventListener("change", () => { readFile($("file").files[0]); $("file").value = ""; });
}
