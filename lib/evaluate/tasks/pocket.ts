import { existsSync } from "node:fs";
import { DataError } from "../../data/errors";
import { readJson, readText } from "../../data/read-json";
import { fromRoot } from "../../runs/paths";
import { pocketJudged } from "../judge/alpaca-eval";
import { arc } from "./arc";
import { piqa } from "../formats/piqa";
import { translation, type Language } from "./translation";
import { truthfulQaChoice, truthfulQaGeneration } from "../formats/truthfulqa";
import { winogrande } from "../formats/winogrande";
import type { Task, TaskAbout } from "../task";

/** One entry of datasets/pocket/benchmarks/manifest.json. */
interface Entry {
  task: string;
  schema: string;
  shots: number;
  file: string;
  fewShotFile?: string;
  primerFile?: string;
  languages?: { from: Language; to: Language };
}

const FOLDER = "datasets/pocket/benchmarks";
/** Answers of the pocket world are short, and its models' contexts too. */
const MAX_NEW_TOKENS = 48;

const FORMATS: Record<string, (about: TaskAbout, entry: Entry) => Task> = {
  arc,
  piqa,
  winogrande,
  "truthfulqa-mc2": (about, entry) => truthfulQaChoice({ ...about, targets: "mc2", primer: primer(entry) }),
  "truthfulqa-gen": (about, entry) => truthfulQaGeneration({ ...about, primer: primer(entry), maxNewTokens: MAX_NEW_TOKENS }),
  "alpaca-eval": (about, { file }) => pocketJudged(about, fromRoot(`${FOLDER}/${file}`)),
  pandalm: (about, { file }) => pocketJudged(about, fromRoot(`${FOLDER}/${file}`)),
  wmt: (about, entry) => translation({ ...about, ...entry.languages!, maxNewTokens: MAX_NEW_TOKENS }),
};

/** The names of the thirteen pocket benchmarks, in the order of the paper's Table 2. */
export const pocketTaskNames = (): string[] => readManifest().map(({ task }) => task);

/** The pocket benchmarks, as their manifest lists them. */
export function pocketTasks(): Task[] {
  return readManifest().map((entry) => {
    const path = (file: string) => fromRoot(`${FOLDER}/${file}`).replace(/\.jsonl$/, "");
    const items = path(entry.file);
    const about: TaskAbout = {
      name: entry.task, version: "1", harness: "0.4.13", shots: entry.shots,
      data: { items: [[items]], shots: [entry.fewShotFile ? path(entry.fewShotFile) : items], dropsItself: !entry.fewShotFile },
    };
    const format = FORMATS[entry.schema];
    if (!format) throw new DataError(`${FOLDER}/manifest.json: ${entry.task} has the schema ${JSON.stringify(entry.schema)}; known: ${Object.keys(FORMATS).join(", ")}.`);
    return format(about, entry);
  });
}

function readManifest(): Entry[] {
  const manifest = fromRoot(`${FOLDER}/manifest.json`);
  return existsSync(manifest) ? readJson(manifest) as Entry[] : [];
}

function primer({ task, primerFile }: Entry): string {
  if (!primerFile) throw new DataError(`${FOLDER}/manifest.json: ${task} names no primerFile.`);
  return readText(fromRoot(`${FOLDER}/${primerFile}`)).replace(/\n+$/, "");
}
