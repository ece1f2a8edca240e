// The studio's page begins here: words, controls, the project of the address, and the server's pulse.
import {get} from "./api.js";
import {$, icon, label, toast} from "./dom.js";
import {buildControls} from "./controls.js";
import {create, exports, projects, takeDrops, versions} from "./files.js";
import {pitchName, project, watch} from "./project.js";
import {showEngine} from "./transport.js";
import {help} from "./keys.js";
import {TEXT} from "./text.js";
import "./form.js";
import "./sheet.js";
import "./roll.js";
import "./player.js";
import "./suggest.js";

label();
$("undo").append(icon("undo"));
$("redo").append(icon("redo"));
$("undo").addEventListener("click", () => project.act({do: "undo"}));
$("redo").addEventListener("click", () => project.act({do: "redo"}));
$("projects").addEventListener("click", projects);
$("history").addEventListener("click", versions);
$("import").addEventListener("click", () => $("file").click());
$("export").addEventListener("click", exports);
$("help").addEventListener("click", help);
$("title").addEventListener("change", () => project.act({do: "set_title", title: $("title").value}));
$("title").addEventListener("keydown", (event) => { if (event.key === "Enter") $("title").blur(); });
takeDrops();

// What is picked, in words, for those who do not see it; a single bar's own button says what it is.
project.on((what) => {
  if (what !== "selection" && what !== "music") return;
  const {note, selection} = project, picked = note === null ? null : project.noteAt(note);
  const words = picked ? TEXT.picked(pitchName(picked[2]), project.barAt(note), picked[1] / project.now.beat)
    : selection && selection.first < selection.last ? TEXT.barsOf(selection.first, selection.last) : "";
  if ($("said").textContent !== words) $("said").textContent = words;
});

async function begin() {
  try {
    project.choices = await get("api/choices");
    buildControls(project.choices);
    const wanted = location.hash.slice(1), list = (await get("api/projects")).projects;
    if (wanted && list.some((one) => one.id === wanted)) await project.open(wanted);
    else if (list.length) await project.open(list[0].id);
    else await create();
    $("saved").textContent = TEXT.saved;
    watch(showEngine);
    document.body.dataset.ready = "1";
  } catch (problem) {
    toast(problem.message || TEXT.offline, 3600);
  }
}
begin();
addEventListener("hashchange", () => { if (location.hash.slice(1) && location.hash.slice(1) !== project.id) project.open(location.hash.slice(1)).catch((problem) => toast(problem.message)); });
