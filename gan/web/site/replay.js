// Replay in the static edition: what gan/ui/replay.py is for Gradio. A run's data lies in files, replay/NAME/.
import { mount } from "../replay/replay.js";
import { cardBeside } from "./cards.js";
import { component } from "./component.js";
import { dropdown } from "./controls.js";
import { named } from "./named.js";
import { base64 } from "./png.js";

const FILES = { csv: ["history.csv", "text/csv"], png: ["curves.png", "image/png"] };

// models: their names; explored: gives Explore's face as JSON, "" for none.
export function mountReplay(models, explored) {
  const of = (id) => document.getElementById(id);
  const chosen = () => viewer.set({ run: run.value, second: second.value });
  const run = dropdown(of("replay-run"), "Run", chosen, cardBeside("replay-run"));
  const second = dropdown(of("replay-second"), "Compare with", chosen, cardBeside("replay-second"));
  const viewer = component(of("replay-viewer"), {
    server: { replay_run, replay_sheets, replay_download },
    on: {
      opened(shown) {
        const face = explored();
        const first = models.includes(shown.run) ? shown.run : face ? JSON.parse(face).model : models[0];
        run.set(named(models), first);
        second.set([{ name: "", label: "no other run" }, ...named(models)], shown.second ?? "");
        chosen();
      },
      face: (asked) => viewer.set({ strip: { run: asked.run, problem: "The first face is not there yet." } }),
    },
  });
  mount(viewer.mounted);
}

// As gan/ui/replay_server.py answers; nothing of a run changes.
async function replay_run({ name, stamp }) {
  if (stamp) return { stamp, unchanged: true };
  const [{ label: title }] = named([name]);
  return { ...(await (await file(name, "run.json")).json()), title, stamp: "whole" };
}

async function replay_sheets({ name, sheets }) {
  const contents = await Promise.all(
    sheets.map(async (number) => {
      const response = await file(name, `${String(number).padStart(4, "0")}.webp`);
      return [number, "", base64(new Uint8Array(await response.arrayBuffer()))];
    }),
  );
  return { sheets: contents };
}

async function replay_download({ runs: [name], kind }) {
  const [file_, type] = FILES[kind];
  const response = await file(name, file_);
  const content = base64(new Uint8Array(await response.arrayBuffer()));
  return { name: `${name}-${kind === "png" ? "curves" : "history"}.${kind}`, type, content };
}

async function file(run, name) {
  const response = await fetch(new URL(`replay/${encodeURIComponent(run)}/${name}`, document.baseURI));
  if (!response.ok) throw new Error(`${response.url} was not sent: status ${response.status}`);
  return response;
}
