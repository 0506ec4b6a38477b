// Reads the files of the pocket data.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder of the pocket data. */
export const POCKET = join(__dirname, "..", "..", "datasets", "pocket");

/** A benchmark's entry in `manifest.json`. */
export interface ManifestEntry {
  task: string;
  paperTask: string;
  schema: string;
  type: string;
  shots: number;
  chance?: number;
  count: number;
  file: string;
  fewShotFile?: string;
  primerFile?: string;
  languages?: { from: { code: string; name: string }; to: { code: string; name: string } };
}

const benchmark = (file: string): string => join(POCKET, "benchmarks", file);

/** Reads the manifest of the benchmarks. */
export const manifest = (): ManifestEntry[] =>
  JSON.parse(readFileSync(benchmark("manifest.json"), "utf8")) as ManifestEntry[];

/** Reads a benchmark's JSON Lines file. */
export const readLines = <T>(file: string): T[] =>
  readFileSync(benchmark(file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

/** An item with the fields of ARC. */
export interface ArcItem {
  id: string;
  question: string;
  choices: { text: string[]; label: string[] };
  answerKey: string;
}
/** An item with the fields of PIQA. */
export interface PiqaItem {
  goal: string;
  sol1: string;
  sol2: string;
  label: number;
}
/** An item with the fields of TruthfulQA-MC2. */
export interface TruthfulItem {
  question: string;
  mc1_targets: { choices: string[]; labels: number[] };
  mc2_targets: { choices: string[]; labels: number[] };
}
/** An item with the fields of WinoGrande. */
export interface WinoGrandeItem {
  sentence: string;
  option1: string;
  option2: string;
  answer: string;
}

/** The questions, goals, puzzles and sentences of the benchmarks, in all languages; not the judged tasks' instructions. */
export function benchmarkTexts(): string[] {
  return manifest().flatMap(({ schema, file }) =>
    readLines<Record<string, unknown>>(file).flatMap((item) => {
      switch (schema) {
        case "arc":
        case "truthfulqa-mc2":
        case "truthfulqa-gen":
          return [String(item.question)];
        case "piqa":
          return [String(item.goal)];
        case "winogrande":
          return [
            String(item.sentence),
            String(item.sentence).replace("_", String(item.answer === "1" ? item.option1 : item.option2)),
          ];
        case "wmt":
          return Object.values(item.translation as Record<string, string>);
        default:
          return [];
      }
    }),
  );
}
