// The four multiple-choice pocket tasks scored by log-likelihood, in the harness's prompts but with fixed shots: enough to
// tell whether a model knows the world, independent of lib/evaluate.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CausalLM } from "../../lib/model/llama";

export const POCKET = join(__dirname, "..", "..", "datasets", "pocket");

export interface ManifestEntry {
  task: string; paperTask: string; schema: string; type: string; shots: number; chance?: number; count: number; file: string;
  fewShotFile?: string; primerFile?: string; languages?: { from: { code: string; name: string }; to: { code: string; name: string } };
}

const benchmark = (file: string): string => join(POCKET, "benchmarks", file);

export const manifest = (): ManifestEntry[] => JSON.parse(readFileSync(benchmark("manifest.json"), "utf8")) as ManifestEntry[];

export const readLines = <T>(file: string): T[] =>
  readFileSync(benchmark(file), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as T);

export interface ArcItem { id: string; question: string; choices: { text: string[]; label: string[] }; answerKey: string }
export interface PiqaItem { goal: string; sol1: string; sol2: string; label: number }
export interface TruthfulItem { question: string; mc1_targets: { choices: string[]; labels: number[] }; mc2_targets: { choices: string[]; labels: number[] } }
export interface WinoGrandeItem { sentence: string; option1: string; option2: string; answer: string }

const argmax = (values: number[]): number => values.indexOf(Math.max(...values));

/** Score of every one of the first `limit` items, 0 to 1: right or wrong, or (MC2) the true answers' share of probability. */
export function scoreMultipleChoice(model: CausalLM, entry: ManifestEntry, limit: number): number[] {
  const likelihood = (context: string, continuation: string): number => model.logLikelihood(context, continuation).sum;
  switch (entry.schema) {
    case "arc": {
      const ask = ({ question }: ArcItem): string => `Question: ${question}\nAnswer:`;
      const right = ({ choices, answerKey }: ArcItem): number => choices.label.indexOf(answerKey);
      const shots = readLines<ArcItem>(entry.fewShotFile!).slice(0, entry.shots).map((item) => `${ask(item)} ${item.choices.text[right(item)]}\n\n`).join("");
      return readLines<ArcItem>(entry.file).slice(0, limit).map((item) => Number(argmax(item.choices.text.map((text) => likelihood(shots + ask(item), ` ${text}`))) === right(item)));
    }
    case "piqa":
      return readLines<PiqaItem>(entry.file).slice(0, limit).map((item) =>
        Number(argmax([item.sol1, item.sol2].map((solution) => likelihood(`Question: ${item.goal}\nAnswer:`, ` ${solution}`))) === item.label));
    case "truthfulqa-mc2": {
      const primer = readFileSync(benchmark(entry.primerFile!), "utf8").trimEnd();
      return readLines<TruthfulItem>(entry.file).slice(0, limit).map(({ question, mc2_targets: { choices, labels } }) => {
        const p = choices.map((choice) => Math.exp(likelihood(`${primer}\n\nQ: ${question}\nA:`, ` ${choice}`)));
        const total = p.reduce((a, b) => a + b, 0);
        return p.reduce((sum, value, i) => sum + (labels[i] === 1 ? value : 0), 0) / total;
      });
    }
    case "winogrande": {
      const fill = ({ sentence }: WinoGrandeItem, option: string): [string, string] => {
        const at = sentence.indexOf("_");
        return [sentence.slice(0, at) + option, ` ${sentence.slice(at + 1).trim()}`];
      };
      const shots = readLines<WinoGrandeItem>(entry.fewShotFile!).slice(0, entry.shots)
        .map((item) => `${fill(item, item.answer === "1" ? item.option1 : item.option2).join("")}\n\n`).join("");
      return readLines<WinoGrandeItem>(entry.file).slice(0, limit).map((item) => Number(argmax([item.option1, item.option2].map((option) => {
        const [before, after] = fill(item, option);
        return likelihood(shots + before, after);
      })) === Number(item.answer) - 1));
    }
    default: throw new Error(`${entry.task} is not multiple choice`);
  }
}

export function meanAndError(scores: number[]): { mean: number; standardError: number } {
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  const variance = scores.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (scores.length - 1);
  return { mean, standardError: Math.sqrt(variance / scores.length) };
}
