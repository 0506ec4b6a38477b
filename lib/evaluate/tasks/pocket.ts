import { existsSync } from "node:fs";
import { DataError } from "../../data/errors";
import { readJson, readText, parseJson } from "../../data/read-json";
import { fromRoot } from "../../runs/paths";
import { arcFormat } from "./arc";
import { piqaFormat } from "./piqa";
import { translationFormat, type Language } from "./translation";
import { truthfulQaChoiceFormat, truthfulQaGenerationFormat } from "./truthfulqa";
import { winograndeFormat } from "./winogrande";
import type { Task, TaskAbout, GenerationTask } from "../task";
import { convertRows } from "../fields";
import { referenceJudge } from "../judge/judge-local";
import { instructionOf, judgedTask, nearestAnswers } from "../judge/judge-task";

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
  arc: arcFormat,
  piqa: piqaFormat,
  winogrande: winograndeFormat,
  "truthfulqa-mc2": (about, entry) => truthfulQaChoiceFormat({ ...about, targets: "mc2", primer: primer(entry) }),
  "truthfulqa-gen": (about, entry) =>
    truthfulQaGenerationFormat({ ...about, primer: primer(entry), maxNewTokens: MAX_NEW_TOKENS }),
  "alpaca-eval": (about, { file }) => pocketJudged(about, fromRoot(`${FOLDER}/${file}`)),
  pandalm: (about, { file }) => pocketJudged(about, fromRoot(`${FOLDER}/${file}`)),
  wmt: (about, entry) => translationFormat({ ...about, ...entry.languages!, maxNewTokens: MAX_NEW_TOKENS }),
};

/** The names of the thirteen pocket benchmarks, in the order of the paper's Table 2. */
export const pocketTaskNames = (): string[] => readManifest().map(({ task }) => task);

/** The pocket benchmarks, as their manifest lists them. */
export function pocketTasks(): Task[] {
  return readManifest().map((entry) => {
    const path = (file: string) => fromRoot(`${FOLDER}/${file}`).replace(/\.jsonl$/, "");
    const items = path(entry.file);
    const about: TaskAbout = {
      name: entry.task,
      version: "1",
      harness: "0.4.13",
      shots: entry.shots,
      data: {
        items: [[items]],
        shots: [entry.fewShotFile ? path(entry.fewShotFile) : items],
        dropsItself: !entry.fewShotFile,
      },
    };
    const format = FORMATS[entry.schema];
    if (!format)
      throw new DataError(
        `${FOLDER}/manifest.json: ${entry.task} has the schema ${JSON.stringify(entry.schema)}; known: ${Object.keys(FORMATS).join(", ")}.`,
      );
    return format(about, entry);
  });
}

function readManifest(): Entry[] {
  const manifest = fromRoot(`${FOLDER}/manifest.json`);
  return existsSync(manifest) ? (readJson(manifest) as Entry[]) : [];
}

function primer({ task, primerFile }: Entry): string {
  if (!primerFile) throw new DataError(`${FOLDER}/manifest.json: ${task} names no primerFile.`);
  return readText(fromRoot(`${FOLDER}/${primerFile}`)).replace(/\n+$/, "");
}

/** More than any right answer of the judged pocket benchmarks has. */
const POCKET_TOKENS = 160;

/** A judged pocket benchmark in `file`: rows with a right answer as `output`, the stand-in judge, and the nearest other answer as opponent. */
export function pocketJudged(about: TaskAbout, file: string): GenerationTask {
  let opponent: ReturnType<typeof nearestAnswers> | undefined;
  return judgedTask({
    about,
    maxNewTokens: POCKET_TOKENS,
    judge: () => referenceJudge,
    opponent: (instruction) => {
      opponent ??= nearestAnswers(
        convertRows(readLines(file), file, (row) => ({ ...instructionOf(row), output: row.text("output") })),
      );
      return opponent(instruction);
    },
    gold: (row) => row.text("output"),
  });
}

function readLines(file: string): unknown[] {
  return readText(file)
    .split("\n")
    .flatMap((line, i) => (line.trim() === "" ? [] : [parseJson(line, `${file}, line ${i + 1}`)]));
}
