// Directories for upload to the Hugging Face Hub: a run's model or a data set, each with its card as README.md.
import { checkRuns } from "../runs/check-runs";
import { text } from "../data/validate";
import { anObject, checkOptions, texts } from "../data/arguments";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_CONFIG } from "../data/adapter-base";
import { DataError } from "../data/errors";
import { readJson } from "../data/read-json";
import { partWeightsLabel } from "../data/part-weights";
import { isChatTemplate } from "../data/row-template";
import { areConversations } from "../data/rows";
import { visibleText } from "../data/visible-text";
import { describeDataset } from "../data/statistics";
import { BENCHMARKS } from "../analysis/benchmarks";
import { scoreRows, type ScoreRow } from "../analysis/score-rows";
import type { RunScores } from "../evaluate/evaluate-runs";
import { originRows } from "../analysis/dataset-rows";
import { writeFileAtomic } from "../runs/files";
import { fromRoot } from "../runs/paths";
import { recipeInWords } from "../runs/recipe";
import { parametersOf, usableRun, type Run } from "../runs/store";
import { studyRows, studyTokenizer, type Study } from "../sweep/study";

/** Options of {@link modelCard} and {@link writeModelDirectoryForHub}. */
export interface ModelCardOptions {
  /** name of the initial model on the Hub, if it is published there */
  baseModel?: string;
  /** languages of the texts, as ISO 639-1 codes */
  languages?: readonly string[];
  /** results of this run, from `studyScores`; memorization and held-out loss are left out of the card */
  scores?: RunScores;
}

const MODEL_CARD_OPTIONS = { baseModel: text, languages: texts, scores: anObject };

/**
 * Formats the model card of a study's run: front matter of the Hub with scores, training recipe, prompt template, limits
 * and license. The front matter lists only scores on all items of benchmarks that others know; pocket benchmarks, tasks
 * of one's own and scores on some of the items are in the table alone.
 *
 * @returns Markdown with a YAML header
 * @throws {DataError} if the study has no license of the run's model or data set
 */
export function modelCard(study: Study, run: Run, options: ModelCardOptions = {}): string {
  checkOptions("modelCard", options, MODEL_CARD_OPTIONS);
  checkRuns("modelCard", [run]);
  const { recipe } = run;
  const license = licenseOf(study, recipe.model.name);
  const dataLicense = licenseOf(study, recipe.data.name);
  const rows = cardScores(study, run, options.scores);
  const title = `${recipe.model.name}, PLW ${recipe.plw} on ${recipe.data.name}`;
  return joinSections([
    modelFrontMatter(title, rows.filter(isComparable), { ...options, license, isAdapter: hasAdapter(run) }),
    `# ${plain(title)}`,
    `Fine-tuned on instructions with **prompt loss weight ${recipe.plw}**: in the training loss, prompt tokens have ` +
      `weight ${recipe.plw} and completion tokens weight ${recipe.completionWeight ?? 1}.${otherWeights(recipe)} The weighted sum is divided by the normalizer ` +
      `\`${recipe.normalizer}\`.`,
    "## Training",
    plain(recipeInWords(recipe)),
    trainingTable(run),
    "`training.json` contains the complete recipe.",
    "## Prompt",
    ...promptSection(recipe.template),
    "## Scores",
    scoreTable(rows),
    "## Limits",
    "This model is one run of an experiment on the prompt loss weight, for comparison with runs that differ in it. " +
      "It was not aligned, filtered or tested for safety, and it reproduces errors and biases of its data and " +
      "initial weights.",
    `## License\n\nInitial weights (${plain(recipe.model.name)}): ${plain(license)}. ` +
      `Training data (${plain(recipe.data.name)}): ${plain(dataLicense)}.`,
  ]);
}

/** Sentences about weights of parts and turns, if the recipe has any. */
function otherWeights({ partWeights = {}, turns }: Run["recipe"]): string {
  const parts = partWeightsLabel(partWeights);
  return [
    ...(parts === "" ? [] : [` Tokens of some parts have a weight of their own instead: ${parts}.`]),
    ...(turns === "last" ? [" Of several answers in a conversation only the last counts as completion."] : []),
  ].join("");
}

function promptSection(template: Run["recipe"]["template"]): string[] {
  if (!isChatTemplate(template))
    return [
      "The model was trained with this prompt template. Use the same template for inference:",
      fenced(template.withoutInput),
    ];
  return [
    "The model was trained on conversations with this chat template, which is in `chat_template.jinja`; " +
      "`apply_chat_template` of Transformers uses it:",
    fenced(template.jinja.trimEnd()),
  ];
}

/** Score rows for the card, without memorization and held-out loss, which are not benchmark scores. */
function cardScores(study: Study, run: Run, scores: RunScores | undefined): CardScore[] {
  if (!scores) return [];
  const results = scores.results.filter(({ task }) => !task.startsWith("memorization") && task !== "heldout-loss");
  const rows = scoreRows([{ run, results }], { tasks: study.tasks });
  return rows.map((row, i) => ({ ...row, items: results[i].items, limit: results[i].limit }));
}

/** A score with its number of items; `limit` is null for all items of the benchmark. */
type CardScore = ScoreRow & { items: number; limit: number | null };

/** Whether a score can be listed beside those of other models. */
function isComparable({ task, limit }: CardScore): boolean {
  return limit === null && BENCHMARKS.some((benchmark) => benchmark.task === task.split("@")[0]);
}

function modelFrontMatter(
  title: string,
  rows: readonly CardScore[],
  { license, baseModel, languages, isAdapter }: ModelCardOptions & { license: string; isAdapter: boolean },
): string {
  const results = rows.map(({ benchmark, task, metric, score }) => ({
    task: { type: "text-generation" },
    dataset: { name: benchmark, type: task },
    metrics: [{ type: metric, value: Number(score.toFixed(2)) }],
  }));
  return frontMatter({
    license,
    language: languages,
    library_name: isAdapter ? "peft" : "transformers",
    pipeline_tag: "text-generation",
    base_model: baseModel,
    tags: ["instruction-tuning", "prompt-loss-weight", "promptloss", ...(isAdapter ? ["lora"] : [])],
    "model-index": rows.length === 0 ? undefined : [{ name: title, results }],
  });
}

/** Whether a run trained an adapter instead of all parameters. */
const hasAdapter = ({ recipe }: Run): boolean => Boolean(recipe.hyperparameters.adapter);

function trainingTable({ id, recipe, record, records }: Run): string {
  const last = records.at(-1);
  return table(
    ["", ""],
    [
      ["run", id],
      ["initial weights (SHA-256)", recipe.model.digest],
      ["data (SHA-256)", recipe.data.digest],
      ["training rows", record.rows.trained],
      ["rows truncated to the maximum length", record.rows.truncated.length],
      ...(record.rows.doubledSpecialTokens?.length
        ? [["rows with a special token twice in succession", record.rows.doubledSpecialTokens.length]]
        : []),
      ["steps", record.totalSteps],
      ["tokens", record.tokens ?? ""],
      ["loss at the last step", last ? last.loss.toFixed(4) : ""],
      ["weights (SHA-256)", record.weights?.sha256 ?? ""],
    ],
  );
}

function scoreTable(rows: readonly CardScore[]): string {
  if (rows.length === 0) return "This card was written without evaluation results.";
  return table(
    ["benchmark", "task", "items", "metric", "score", "standard error"],
    rows.map(({ benchmark, task, items, limit, metric, score, standardError }) => [
      benchmark,
      task,
      limit === null ? items : `the first ${items}`,
      metric,
      score.toFixed(2),
      standardError?.toFixed(2) ?? "",
    ]),
  );
}

/**
 * Writes a run as a directory for the Hub: model weights, or the adapter in the format of PEFT, tokenizer in the format of
 * Transformers, the recipe as `training.json` and the model card as README.md. An adapter names `baseModel` as its base.
 *
 * @param dir target folder; a relative path starts at the repository root. A folder that holds a README.md counts as
 *   the result of an earlier call, and its files are overwritten.
 * @returns absolute path of the folder
 * @throws {RunFailedError} if the run has no usable weights
 * @throws {RunError} if it was pruned
 * @throws {DataError} if the folder is not empty and has no README.md, if an adapter has no `baseModel`, or as
 *   {@link modelCard}
 */
export function writeModelDirectoryForHub(study: Study, run: Run, dir: string, options: ModelCardOptions = {}): string {
  const card = modelCard(study, run, options);
  const parameters = parametersOf(usableRun(run), "write a directory for the Hub");
  if (hasAdapter(run) && options.baseModel === undefined)
    throw new DataError(
      `writeModelDirectoryForHub: run ${run.name} is an adapter, which needs the name of its base on the Hub: give the ` +
        'option baseModel, such as "owner/name". The path of the base on this machine says nothing there.',
    );
  const target = prepareFolder(dir);
  for (const name of readdirSync(target)) if (IS_OF_MODEL.test(name)) rmSync(join(target, name)); // of an earlier call
  cpSync(parameters, target, { recursive: true });
  if (options.baseModel !== undefined && hasAdapter(run)) nameBase(target, options.baseModel);
  writeFileAtomic(
    join(target, "training.json"),
    `${JSON.stringify({ id: run.id, name: run.name, recipe: run.recipe }, null, 2)}\n`,
  );
  writeFileAtomic(join(target, "README.md"), card);
  return target;
}

/** Files of a model or an adapter: one kind must not stay beside the other. */
const IS_OF_MODEL = /^(config\.json|adapter_config\.json|(adapter_)?model[^/]*\.safetensors(\.index\.json)?)$/;

/** Writes the name of an adapter's base on the Hub in the place of its directory here. */
function nameBase(dir: string, baseModel: string): void {
  const file = join(dir, ADAPTER_CONFIG);
  const settings = { ...(readJson(file) as object), base_model_name_or_path: baseModel };
  writeFileAtomic(file, `${JSON.stringify(settings, null, 2)}\n`);
}

/** Options of {@link dataCard} and {@link writeDatasetDirectoryForHub}. */
export interface DataCardOptions {
  /** languages of the texts, as ISO 639-1 codes */
  languages?: readonly string[];
}

/**
 * Formats the card of a data set of a study: front matter of the Hub, origin, length statistics as in Table 1, the
 * first row and the license.
 *
 * @param dataset name of the data set in `study.datasets`
 * @returns Markdown with a YAML header
 * @throws {DataError} if the study has no license of the data set, or the rows are invalid
 */
export function dataCard(study: Study, dataset: string, options: DataCardOptions = {}): string {
  const { languages } = checkOptions("dataCard", options, { languages: texts });
  const license = licenseOf(study, dataset);
  const tokenizer = studyTokenizer(study);
  const examples = studyRows(study, dataset);
  const chats = areConversations(examples);
  const { rows, instruction, input, completion, totalTokens, generationRatio } = describeDataset(examples, tokenizer);
  const { made } = originRows({ ...study, datasets: { [dataset]: study.datasets[dataset] } }, tokenizer)[0];
  const ratio = Number(generationRatio.toPrecision(3));
  const moments = (name: string, { mean, sd }: { mean: number; sd: number }) => [name, mean.toFixed(2), sd.toFixed(2)];
  return joinSections([
    frontMatter({
      license,
      language: languages,
      task_categories: ["text-generation"],
      pretty_name: dataset,
      tags: ["instruction-tuning", "prompt-loss-weight"],
      configs: [{ config_name: "default", data_files: [{ split: "train", path: "train.json" }] }],
    }),
    `# ${plain(dataset)}`,
    (chats
      ? `${rows} conversations in OpenAI's format: \`messages\`, and \`tools\` where there are any. `
      : `${rows} rows in Alpaca's format: \`instruction\`, \`input\` (may be empty), \`output\`. `) +
      `Origin: ${plain(made)}.`,
    "## Lengths",
    "Tokens by field, without template and special tokens. Generation ratio (mean completion length over mean length " +
      `of ${chats ? "what precedes it" : "instruction + input"}): ${ratio}. Total: ${totalTokens} tokens.`,
    table(
      ["field", "mean", "standard deviation"],
      [
        moments(chats ? "system and user" : "instruction", instruction),
        moments(chats ? "results of tools" : "input", input),
        moments(chats ? "assistant" : "output", completion),
      ],
    ),
    "## First row",
    fenced(JSON.stringify(examples[0], null, 2)),
    `## License\n\n${plain(license)}`,
  ]);
}

/**
 * Writes a study's data set as a directory for the Hub: rows as `train.json` and the data card as README.md.
 *
 * @param dataset name of the data set in `study.datasets`
 * @param dir target folder; a relative path starts at the repository root. A folder that holds a README.md counts as
 *   the result of an earlier call, and its files are overwritten.
 * @returns absolute path of the folder
 * @throws {DataError} if the folder is not empty and has no README.md, or as {@link dataCard}
 */
export function writeDatasetDirectoryForHub(
  study: Study,
  dataset: string,
  dir: string,
  options: DataCardOptions = {},
): string {
  const card = dataCard(study, dataset, options);
  const target = prepareFolder(dir);
  writeFileAtomic(join(target, "train.json"), `${JSON.stringify(studyRows(study, dataset), null, 1)}\n`);
  writeFileAtomic(join(target, "README.md"), card);
  return target;
}

/**
 * Creates the target folder.
 *
 * @throws {DataError} if it holds files but no README.md, so that it is not the result of an earlier call
 */
function prepareFolder(dir: string): string {
  const target = fromRoot(dir);
  const entries = existsSync(target) ? readdirSync(target) : [];
  if (entries.length > 0 && !entries.includes("README.md"))
    throw new DataError(`${target} is not empty and has no README.md; choose an empty or new folder.`);
  mkdirSync(target, { recursive: true });
  return target;
}

/**
 * The license that a study states for one of its models or data sets.
 *
 * @throws {DataError} if it states none: nobody else can know it
 */
function licenseOf({ name: study, licenses = {} }: Study, name: string): string {
  if (Object.hasOwn(licenses, name)) return licenses[name];
  throw new DataError(
    `Study ${study} states no license of ${name}, and a card needs one. Add it to the study file as its source states ` +
      `it: "licenses": { ${JSON.stringify(name)}: "apache-2.0" }, for example.`,
  );
}

/** Formats YAML front matter. Values are written as JSON, which is valid YAML; undefined ones are left out. */
function frontMatter(fields: Record<string, unknown>): string {
  const lines = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${visibleText(JSON.stringify(value))}`);
  return ["---", ...lines, "---"].join("\n");
}

/** Escapes text so that Markdown shows it literally, on one line; control characters become visible. */
function plain(text: string): string {
  return visibleText(text)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\`*_[\]|#]/g, "\\$&")
    .replace(/\s*\n\s*/g, " ");
}

/** Formats a Markdown table. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map((cell) => plain(String(cell))).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

/** Joins the sections of a card by blank lines. */
function joinSections(sections: readonly string[]): string {
  return `${sections.join("\n\n")}\n`;
}

/** Formats a code block, with a fence longer than any run of backticks in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((ticks) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${visibleText(text)}\n${fence}`;
}
