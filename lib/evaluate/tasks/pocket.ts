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

/** One entry of datasets/pocket/benchmarks/manifest.json. File names are relative to its folder. */
interface Entry {
  task: string;
  /** key of {@link FORMATS} */
  schema: string;
  shots: number;
  file: string;
  /** file that few-shot examples are drawn from; default: `file` */
  fewShotFile?: string;
  /** TruthfulQA: text of the solved questions that precede every question */
  primerFile?: string;
  /** translation: source and target language */
  languages?: { from: Language; to: Language };
}

const FOLDER = "datasets/pocket/benchmarks";
/** Answers of the pocket benchmarks are short, and so are the contexts of the pocket models. */
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

/** Returns the names of the thirteen pocket benchmarks, in the order of the paper's Table 2. */
export const pocketTaskNames = (): string[] => readManifest().map(({ task }) => task);

/**
 * Creates the tasks of the pocket benchmarks, in the order of their manifest.
 * @returns an empty list if the manifest does not exist
 * @throws {DataError} if the manifest has an unknown schema or lacks a primer file
 */
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
        `${FOLDER}/manifest.json: ${entry.task} has the unknown schema ${JSON.stringify(entry.schema)}; ` +
          `known: ${Object.keys(FORMATS).join(", ")}.`,
      );
    return format(about, entry);
  });
}

function readManifest(): Entry[] {
  const manifest = fromRoot(`${FOLDER}/manifest.json`);
  return existsSync(manifest) ? (readJson(manifest) as Entry[]) : [];
}

function primer({ task, primerFile }: Entry): string {
  if (!primerFile) throw new DataError(`${FOLDER}/manifest.json: ${task} needs the field primerFile.`);
  return readText(fromRoot(`${FOLDER}/${primerFile}`)).replace(/\n+$/, "");
}

/** More tokens than any right answer of the judged pocket benchmarks has. */
const JUDGED_MAX_NEW_TOKENS = 160;

/**
 * Creates a judged pocket benchmark. The judge is {@link referenceJudge}, which needs no model; the opponent's answer
 * is that to the most similar other instruction, see {@link nearestAnswers}.
 * @param file JSON Lines file of rows with `instruction`, optionally `input`, and the right answer as `output`
 */
export function pocketJudged(about: TaskAbout, file: string): GenerationTask {
  let opponent: ReturnType<typeof nearestAnswers> | undefined;
  return judgedTask({
    about,
    maxNewTokens: JUDGED_MAX_NEW_TOKENS,
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
