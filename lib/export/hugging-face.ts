// Runs and data sets as directories that can be uploaded to the Hugging Face Hub as they are.
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../data/errors";
import { describeDataset } from "../data/statistics";
import { loadTokenizer } from "../data/tokenizer";
import { scoreRows } from "../analysis/score-rows";
import type { RunScores } from "../evaluate/evaluate-runs";
import { originRows } from "../analysis/dataset-rows";
import { writeFileAtomic } from "../runs/files";
import { fromRoot } from "../runs/paths";
import { recipeInWords } from "../runs/recipe";
import { usableRun, type Run } from "../runs/store";
import { studyExamples, type Study } from "../sweep/study";

export interface ModelCardOptions {
  /** as the Hub writes it, for example "apache-2.0": that of the initial weights decides, which nobody but you knows */
  license: string;
  /** the initial model's name on the Hub, if it is there */
  baseModel?: string;
  /** of the texts, as ISO 639-1 codes */
  languages?: readonly string[];
  /** results of this run, from `evaluateRuns` */
  scores?: RunScores;
}

/** README.md of a run's model: the Hub's front matter with scores, how it was trained, what it may be used for. */
export function modelCard(run: Run, { license, baseModel, languages, scores }: ModelCardOptions): string {
  const { recipe, record } = run;
  const rows = scores
    ? scoreRows([
        {
          run,
          results: scores.results.filter(({ task }) => !task.startsWith("memorization") && task !== "heldout-loss"),
        },
      ])
    : [];
  const last = run.records.at(-1);
  const title = `${recipe.model.name}, PLW ${recipe.plw} on ${recipe.data.name}`;
  return (
    [
      frontMatter({
        license: checkLicense(license),
        language: languages,
        library_name: "transformers",
        pipeline_tag: "text-generation",
        base_model: baseModel,
        tags: ["instruction-tuning", "prompt-loss-weight", "promptloss"],
        "model-index":
          rows.length === 0
            ? undefined
            : [
                {
                  name: title,
                  results: rows.map(({ benchmark, task, metric, score }) => ({
                    task: { type: "text-generation" },
                    dataset: { name: benchmark, type: task },
                    metrics: [{ type: metric, value: Number(score.toFixed(2)) }],
                  })),
                },
              ],
      }),
      `# ${plain(title)}`,
      `Fine-tuned on instructions with **prompt loss weight ${recipe.plw}**: a token of the prompt counts ${recipe.plw} in the training loss, a token of the completion 1. The weighted sum is divided by the normalizer \`${recipe.normalizer}\`.`,
      "## Training",
      plain(recipeInWords(recipe)),
      table(
        ["", ""],
        [
          ["run", run.id],
          ["initial weights (SHA-256)", recipe.model.digest],
          ["data (SHA-256)", recipe.data.digest],
          ["rows trained on", record.rows.trained],
          ["rows cut by the maximum length", record.rows.truncated.length],
          ["steps", record.totalSteps],
          ["tokens", record.tokens ?? ""],
          ["loss at the last step", last ? last.loss.toFixed(4) : ""],
          ["weights (SHA-256)", record.weights?.sha256 ?? ""],
        ],
      ),
      "`training.json` holds the whole recipe.",
      "## Prompt",
      "The model was trained on this template and expects it:",
      fenced(recipe.template.withoutInput),
      "## Scores",
      rows.length === 0
        ? "None were given."
        : table(
            ["benchmark", "task", "metric", "score", "standard error"],
            rows.map(({ benchmark, task, metric, score, standardError }) => [
              benchmark,
              task,
              metric,
              score.toFixed(2),
              standardError?.toFixed(2) ?? "",
            ]),
          ),
      "## Limits",
      "One run of an experiment on the prompt loss weight, made to be compared with runs that differ in it. It was not aligned, filtered or tested for safety, and repeats whatever is wrong in its data and initial weights.",
      `## Licence\n\n${plain(license)}. Initial weights and data have their own, which hold as well.`,
    ].join("\n\n") + "\n"
  );
}

/**
 * Writes a run as a directory for the Hub: weights and tokenizer as Transformers reads them, `training.json`, and the card as README.md.
 * @throws {RunFailedError} for a run without usable weights, {DataError} for a folder that is not empty
 */
export function writeModelDirectoryForHub(run: Run, dir: string, options: ModelCardOptions): string {
  const target = emptyFolder(dir);
  cpSync(usableRun(run).weightsDir, target, { recursive: true });
  writeFileAtomic(
    join(target, "training.json"),
    `${JSON.stringify({ id: run.id, name: run.name, recipe: run.recipe }, null, 2)}\n`,
  );
  writeFileAtomic(join(target, "README.md"), modelCard(run, options));
  return target;
}

export interface DataCardOptions {
  /** as the Hub writes it, for example "cc-by-nc-4.0" */
  license: string;
  languages?: readonly string[];
  /** directory with the tokenizer that lengths are counted with; default: the study's first model */
  tokenizer?: string;
}

/** README.md of one of a study's data sets: the Hub's front matter, how it was made, Table 1's numbers, its first row. */
export function dataCard(
  study: Study,
  dataset: string,
  { license, languages, tokenizer: from = Object.values(study.models)[0] }: DataCardOptions,
): string {
  const tokenizer = loadTokenizer(from);
  const examples = studyExamples(study, dataset);
  const { rows, instruction, input, completion, totalTokens, generationRatio } = describeDataset(examples, tokenizer);
  const { made } = originRows({ ...study, datasets: { [dataset]: study.datasets[dataset] } }, tokenizer)[0];
  const moments = (name: string, { mean, sd }: { mean: number; sd: number }) => [name, mean.toFixed(2), sd.toFixed(2)];
  return (
    [
      frontMatter({
        license: checkLicense(license),
        language: languages,
        task_categories: ["text-generation"],
        pretty_name: dataset,
        tags: ["instruction-tuning", "prompt-loss-weight"],
        configs: [{ config_name: "default", data_files: [{ split: "train", path: "train.json" }] }],
      }),
      `# ${plain(dataset)}`,
      `${rows} rows in Alpaca's format: \`instruction\`, \`input\` (may be empty), \`output\`. How they were made: ${plain(made)}.`,
      "## Lengths",
      `Tokens by field, without template and special tokens. Generation ratio (mean completion over mean instruction + input): ${Number(generationRatio.toPrecision(3))}; ${totalTokens} tokens in all.`,
      table(
        ["field", "mean", "standard deviation"],
        [moments("instruction", instruction), moments("input", input), moments("output", completion)],
      ),
      "## First row",
      fenced(JSON.stringify(examples[0], null, 2)),
      `## Licence\n\n${plain(license)}`,
    ].join("\n\n") + "\n"
  );
}

/** Writes a study's data set as a directory for the Hub: `train.json` and the card as README.md. @throws {DataError} for a folder that is not empty */
export function writeDatasetDirectoryForHub(
  study: Study,
  dataset: string,
  dir: string,
  options: DataCardOptions,
): string {
  const target = emptyFolder(dir);
  writeFileAtomic(join(target, "train.json"), `${JSON.stringify(studyExamples(study, dataset), null, 1)}\n`);
  writeFileAtomic(join(target, "README.md"), dataCard(study, dataset, options));
  return target;
}

/** What an earlier call wrote is replaced; anything else is left alone. */
function emptyFolder(dir: string): string {
  const target = fromRoot(dir);
  const found = existsSync(target) ? readdirSync(target) : [];
  if (found.length > 0 && !found.includes("README.md"))
    throw new DataError(`${target} is not empty; name another folder.`);
  mkdirSync(target, { recursive: true });
  return target;
}

function checkLicense(license: string): string {
  if (typeof license !== "string" || license.trim() === "")
    throw new DataError('license: a card needs one, for example "apache-2.0"; whose weights or rows are they?');
  return license;
}

/** YAML whose values are JSON, which is YAML too. */
function frontMatter(fields: Record<string, unknown>): string {
  const lines = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return ["---", ...lines, "---"].join("\n");
}

/** Text as Markdown shows it literally. */
function plain(text: string): string {
  return text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\`*_[\]|#]/g, "\\$&")
    .replace(/\s*\n\s*/g, " ");
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map((cell) => plain(String(cell))).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

/** A block of code, with a fence longer than any in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((ticks) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}
