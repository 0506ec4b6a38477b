// The four multiple-choice pocket tasks scored by log-likelihood, in the harness's prompts but with fixed shots: enough to
// tell whether a model knows the world, independent of lib/evaluate.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scoreContinuations } from "../../lib/model/likelihood";
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

/** What an item asks of a model: a (context, continuation) pair a choice, and how the choices' log-likelihoods are scored. */
interface Question { choices: [context: string, continuation: string][]; score(logLikelihoods: number[]): number }

function questions(entry: ManifestEntry): Question[] {
  switch (entry.schema) {
    case "arc": {
      const ask = ({ question }: ArcItem): string => `Question: ${question}\nAnswer:`;
      const right = ({ choices, answerKey }: ArcItem): number => choices.label.indexOf(answerKey);
      const shots = readLines<ArcItem>(entry.fewShotFile!).slice(0, entry.shots).map((item) => `${ask(item)} ${item.choices.text[right(item)]}\n\n`).join("");
      return readLines<ArcItem>(entry.file).map((item) => ({
        choices: item.choices.text.map((text) => [shots + ask(item), ` ${text}`]), score: (values) => Number(argmax(values) === right(item)),
      }));
    }
    case "piqa":
      return readLines<PiqaItem>(entry.file).map(({ goal, sol1, sol2, label }) => ({
        choices: [sol1, sol2].map((solution) => [`Question: ${goal}\nAnswer:`, ` ${solution}`]), score: (values) => Number(argmax(values) === label),
      }));
    case "truthfulqa-mc2": {
      const primer = readFileSync(benchmark(entry.primerFile!), "utf8").trimEnd();
      return readLines<TruthfulItem>(entry.file).map(({ question, mc2_targets: { choices, labels } }) => ({
        choices: choices.map((choice) => [`${primer}\n\nQ: ${question}\nA:`, ` ${choice}`]),
        score: (values) => {
          const p = values.map(Math.exp);
          return p.reduce((sum, value, i) => sum + (labels[i] === 1 ? value : 0), 0) / p.reduce((a, b) => a + b, 0);
        },
      }));
    }
    case "winogrande": {
      const fill = ({ sentence }: WinoGrandeItem, option: string): [string, string] => {
        const at = sentence.indexOf("_");
        return [sentence.slice(0, at) + option, ` ${sentence.slice(at + 1).trim()}`];
      };
      const shots = readLines<WinoGrandeItem>(entry.fewShotFile!).slice(0, entry.shots)
        .map((item) => `${fill(item, item.answer === "1" ? item.option1 : item.option2).join("")}\n\n`).join("");
      return readLines<WinoGrandeItem>(entry.file).map((item) => ({
        choices: [item.option1, item.option2].map((option) => { const [before, after] = fill(item, option); return [shots + before, after]; }),
        score: (values) => Number(argmax(values) === Number(item.answer) - 1),
      }));
    }
    default: throw new Error(`${entry.task} is not multiple choice`);
  }
}

/** Score of each of the first `limit` items, 0 to 1: right or wrong, or (MC2) the true answers' share of probability. */
export function scoreMultipleChoice(model: CausalLM, entry: ManifestEntry, limit: number): number[] {
  const tokenizer = model.needTokenizer();
  const asked = questions(entry).slice(0, limit);
  const requests = asked.flatMap(({ choices }) => choices).map(([context, continuation]) => {
    const before = tokenizer.encode(context);
    return { context: before, continuation: tokenizer.encode(context + continuation).slice(before.length) };
  });
  const values = scoreContinuations(model, requests).map(({ sum }) => sum);
  let at = 0;
  return asked.map(({ choices, score }) => score(values.slice(at, at += choices.length)));
}

export function meanAndError(scores: number[]): { mean: number; standardError: number } {
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  const variance = scores.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (scores.length - 1);
  return { mean, standardError: Math.sqrt(variance / scores.length) };
}
