import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { visibleText } from "../data/visible-text";
import { PromptlossError, errorText } from "../data/errors";
import { repositoryRoot } from "../data/repository";
import { isObject } from "../data/validate";
import { readJsonIfAny } from "../runs/files";
import { fromRoot } from "../runs/paths";
import { loadStudy, studyPath } from "../sweep/study-file";
import { say } from "./terminal";
import { UsageError, countOf, pathOf, type Answer, type Values } from "./values";
import { makeWorkingCopies, type WorkingCopy } from "./working-copies";

const FIRST_NOTEBOOK = "00-start-here.ipynb";

/** Starts JupyterLab on copies of the notebooks, `work/<study>`, and ends with it. */
export async function run(values: Values): Promise<Answer> {
  const root = repositoryRoot();
  const study = studyPath(pathOf(values, "study"));
  const name = nameOfStudy(study);
  const folder = join("work", name);
  const isPocket = study === fromRoot("studies/pocket.json");
  // The committed outputs are the pocket study's; below another study's name they would mislead.
  const copies = makeWorkingCopies(join(root, "notebooks"), join(root, folder), { outputs: isPocket });
  process.stderr.write(visibleText(`Study ${name}; its notebooks are in ${folder}\n${notesOn(copies, folder)}`));
  const port = countOf(values, "port");
  const code = await jupyterLab(
    root,
    [
      "--ServerApp.ip=127.0.0.1",
      `--ServerApp.root_dir=${root}`,
      `--LabApp.default_url=/lab/tree/${[...folder.split("/"), FIRST_NOTEBOOK].map(encodeURIComponent).join("/")}`,
      ...(port === undefined ? [] : [`--ServerApp.port=${port}`]),
      ...(values["no-browser"] === undefined ? [] : ["--no-browser"]),
      ...(process.getuid?.() === 0 ? ["--allow-root"] : []), // as in a container
    ],
    // Open tabs are remembered by study: a notebook of another one would run on this one's runs.
    { JUPYTERLAB_WORKSPACES_DIR: join(root, folder, ".workspaces"), ...process.env, PROMPTLOSS_STUDY: study },
  );
  return { text: "", result: { study, name, folder: join(root, folder), copies }, failed: code !== 0 };
}

/** The study's name. A study with other faults is opened nevertheless: it may be mended in JupyterLab. */
function nameOfStudy(path: string): string {
  try {
    return loadStudy(path).name;
  } catch (error) {
    const json = readJsonIfAny(path);
    if (!(error instanceof PromptlossError) || !isObject(json) || typeof json.name !== "string") throw error;
    say(`${errorText(error)}\nJupyterLab starts; the notebooks will stop at this.`);
    return folderName(json.name);
  }
}

/** A study's name as the name of a folder, whatever it is. */
export function folderName(name: string): string {
  const safe = name.replace(/[^\p{L}\p{N} ._-]/gu, "-").replace(/^[^\p{L}\p{N}]+/u, "");
  return [...safe].slice(0, 100).join("") || "study";
}

function notesOn(copies: readonly WorkingCopy[], folder: string): string {
  const lines = copies.flatMap(({ notebook, state }) => {
    if (state === "replaced") return [`${notebook} was replaced by a newer version; it had no edits`];
    if (state !== "outdated") return [];
    return [
      `${join(folder, notebook)} has edits and stays as it is; ${join("notebooks", notebook)} is newer. ` +
        "To get that one, rename or delete yours and start again",
    ];
  });
  return lines.map((line) => `  ${line}\n`).join("");
}

/** Runs JupyterLab until it ends. Ctrl-C reaches it from the terminal; it asks whether to stop. */
function jupyterLab(root: string, args: string[], env: NodeJS.ProcessEnv): Promise<number | null> {
  const jupyter = join(root, ".venv", "bin", "jupyter");
  if (!existsSync(jupyter)) throw new UsageError(`${jupyter} is missing: run npm run setup first.`);
  return new Promise((resolve, reject) => {
    const child = spawn(jupyter, ["lab", ...args], { cwd: root, env, stdio: "inherit" });
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.on("error", reject);
    child.on("close", resolve);
  });
}
