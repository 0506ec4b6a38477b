// The pocket data as its files hold it.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const POCKET = join(__dirname, "..", "..", "datasets", "pocket");

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

export const manifest = (): ManifestEntry[] =>
  JSON.parse(readFileSync(benchmark("manifest.json"), "utf8")) as ManifestEntry[];

export const readLines = <T>(file: string): T[] =>
  readFileSync(benchmark(file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

export interface ArcItem {
  id: string;
  question: string;
  choices: { text: string[]; label: string[] };
  answerKey: string;
}
export interface PiqaItem {
  goal: string;
  sol1: string;
  sol2: string;
  label: number;
}
export interface TruthfulItem {
  question: string;
  mc1_targets: { choices: string[]; labels: number[] };
  mc2_targets: { choices: string[]; labels: number[] };
}
export interface WinoGrandeItem {
  sentence: string;
  option1: string;
  option2: string;
  answer: string;
}
