// Tasks of one's own: a data file and a description of how its rows are asked and scored, as plain data in a study.
import * as v from "valibot";
import { sha256 } from "../../data/digest";
import { EvaluationError } from "../../data/errors";
import { renderPrompt } from "../../data/template";
import { isObject, objectOf, oneOf, pathItem, rule, shown, text, validated, wholeNumber } from "../../data/validate";
import { fromRoot } from "../../runs/paths";
import { accuracy, normalizedAccuracy } from "../choice-metrics";
import { optionalChatOptions, type ChatOptions } from "../evaluate-options";
import type { Fields } from "../fields";
import { judgementsFile } from "../judge/alpaca-eval";
import type { Judge, JudgeOrder } from "../judge/judge";
import { openAiJudge } from "../judge/judge-openai";
import { ALPACA_EVAL_PROMPT } from "../judge/judge-prompts";
import { instructionOf, judgedTask } from "../judge/judge-task";
import { REFERENCE_METRICS, scoreReferences } from "../reference-scores";
import { asText, hasPlaceholder, rowTemplate, templateProblem, textAt, valueAt } from "../row-template";
import type { GenerationTask, MultipleChoiceTask, PromptStyle, Task, TaskAbout } from "../task";

/**
 * A task of one's own, as plain data. It has exactly one of `choices`, `references` and `judge`.
 *
 * Templates have placeholders `{field}`, `{outer.inner}` for a field of a field, and `{list.0}` for an entry of a list;
 * `{{` and `}}` are literal braces. Where a field is named without a template, nested fields are written in the same
 * way, without braces. A list of tasks (`tasksSchema`) makes `limit` and the options of the chat template the request's.
 */
export interface OwnTask extends ChatOptions {
  /** letters, digits, - and _; also the name of the file of scores */
  name: string;
  /** .jsonl, .json (an array of rows) or .parquet file, also with .gz; a relative path counts from the repository root */
  data: string;
  /**
   * template of the question; with `judge`, the instruction that the model answers in its own prompt template (default:
   * the rows' fields `instruction` and `input`)
   */
  prompt?: string;

  /**
   * multiple choice by log-likelihood: the field with the list of choices, or a list of templates, one per choice.
   * Metrics: `acc` and `acc_norm`
   */
  choices?: string | string[];
  /**
   * the field that says which choice is right: its position from 0 as a number, its text (a truth value stands for the
   * text "true" or "false"), or its letter "A", "B", …. Other values are errors of the row, and so is a letter that is
   * also the text of another choice
   */
  answer?: string;

  /** the field with the right answer, or a list of them. Metrics: see `scoreReferences` */
  references?: string;
  /** a generated answer ends before the first of these texts; default ["\n"] */
  stops?: string[];

  /** compares the model's answers with others, see `judgedTask`. Metrics: `win_rate` and those that go with it */
  judge?: {
    /** the field with the answer that the model's answer is compared with */
    opponent: string;
    /** order in which the two answers are shown; default "random" */
    order?: JudgeOrder;
  };

  /** maximum length of an answer, in tokens; default 256, with `judge` 512 */
  maxNewTokens?: number;
  /** text between the question and its answer; default " ", with `template` "" */
  separator?: string;
  /** whether the question is the instruction of the model's own prompt template; default false, with `judge` always */
  template?: boolean;
  /** few-shot examples before each question; default 0 */
  shots?: number;
  /** file that few-shot examples are drawn from; default: `data`, without the evaluated row */
  shotsData?: string;
  /** number of items, counted from the first; default: all */
  limit?: number;
  /** metric that stands for the task in tables; default "acc_norm", "rougeL" or "win_rate" */
  metric?: string;
  /** raise it to have stored scores computed again; default "1" */
  version?: string;
}

type Kind = "choices" | "references" | "judge";
const KINDS: readonly Kind[] = ["choices", "references", "judge"];

/** What is particular to each kind: optional keys, metrics (the default first), and the type that tables name. */
const ABOUT: Record<Kind, { keys: string[]; metrics: readonly string[]; type: "MC" | "G_S" | "G_L" }> = {
  choices: {
    keys: ["answer", "separator", "template", "shots", "shotsData"],
    metrics: ["acc_norm", "acc"],
    type: "MC",
  },
  references: {
    keys: ["stops", "maxNewTokens", "separator", "template", "shots", "shotsData"],
    metrics: ["rougeL", ...REFERENCE_METRICS.filter((name) => name !== "rougeL")],
    type: "G_S",
  },
  judge: { keys: ["maxNewTokens"], metrics: ["win_rate", "win_rate_length_only"], type: "G_L" },
};
/** Keys that some kinds have and others do not. */
const PARTICULAR = [...new Set(KINDS.flatMap((kind) => ABOUT[kind].keys))];

// ---------------------------------------------------------------- the schema

/** A name that is safe as a file name and as a key. */
const taskName = rule<string>(
  "a name of at most 100 letters (a to z), digits, - and _",
  (value) => typeof value === "string" && /^[A-Za-z0-9_-]{1,100}$/.test(value) && !(value in {}),
);

const dataPath = rule<string>(
  "the path of a .jsonl, .json or .parquet file, also with .gz, on this machine",
  (value) => typeof value === "string" && /\.(jsonl?|parquet)(\.gz)?$/.test(value) && !value.startsWith("hf:"),
);

const fieldPath = rule<string>(
  "the name of a field, without braces",
  (value) => typeof value === "string" && /^[^{}]+$/.test(value),
);

const template = v.pipe(
  text,
  v.check(
    (value) => templateProblem(value) === undefined,
    ({ input }) => templateProblem(input)!,
  ),
);

const prompt = v.pipe(
  template,
  v.check(
    (value) => templateProblem(value) !== undefined || hasPlaceholder(value),
    "has no {field}, so every row would be the same question",
  ),
);

const severalTemplates = v.pipe(
  rule<unknown[]>(
    "the name of a field, or a list of at least two templates",
    (value) => Array.isArray(value) && value.length >= 2,
  ),
  v.array(template),
);

const choices: v.GenericSchema<unknown, string | string[]> = v.lazy((given) =>
  typeof given === "string" ? fieldPath : severalTemplates,
);

/** The keys `choices`, `references` and `judge` that a definition has. */
const kindsOf = (definition: object): Kind[] =>
  KINDS.filter((kind) => (definition as Record<string, unknown>)[kind] !== undefined);

/** What is wrong with the combination of a definition's keys; `key` is the key that is to blame, if there is one. */
function combinationProblems(definition: Record<string, unknown>): { key?: string; message: string }[] {
  const [kind, ...others] = kindsOf(definition);
  if (kind === undefined || others.length > 0) {
    const found = kind === undefined ? "none" : [kind, ...others].join(" and ");
    return [{ message: `must have exactly one of choices, references and judge, has ${found}` }];
  }
  const has = (key: string) => definition[key] !== undefined;
  const { keys, metrics } = ABOUT[kind];
  const problems = PARTICULAR.filter((key) => has(key) && !keys.includes(key)).map((key) => {
    const where = KINDS.filter((other) => ABOUT[other].keys.includes(key)).join(" or ");
    return { key, message: `belongs to tasks with ${where}, not to one with ${kind}` };
  });
  if (kind !== "judge" && !has("prompt")) problems.push({ key: "prompt", message: "is missing" });
  if (kind === "choices" && !has("answer")) {
    problems.push({ key: "answer", message: "is missing: the field that says which choice is right" });
  }
  const { metric } = definition;
  if (typeof metric === "string" && !metrics.includes(metric)) {
    problems.push({ key: "metric", message: `must be one of ${metrics.join(", ")}, got ${shown(metric)}` });
  }
  return problems;
}

/** Schema of a task of one's own; lists every problem by field. Whether the files exist is found out later. */
export const ownTaskSchema: v.GenericSchema<unknown, OwnTask> = v.pipe(
  objectOf({
    name: taskName,
    data: dataPath,
    prompt: v.optional(prompt),
    choices: v.optional(choices),
    answer: v.optional(fieldPath),
    references: v.optional(fieldPath),
    stops: v.optional(v.pipe(rule<unknown[]>("a list of texts", Array.isArray), v.array(text))),
    judge: v.optional(objectOf({ opponent: fieldPath, order: v.optional(oneOf<JudgeOrder>(["random", "both"])) })),
    maxNewTokens: v.optional(wholeNumber(1)),
    separator: v.optional(rule<string>("a text", (value) => typeof value === "string")),
    template: v.optional(rule<boolean>("true or false", (value) => typeof value === "boolean")),
    shots: v.optional(wholeNumber(0)),
    shotsData: v.optional(dataPath),
    limit: v.optional(wholeNumber(1)),
    ...optionalChatOptions,
    metric: v.optional(text),
    version: v.optional(text),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!isObject(dataset.value)) return;
    for (const { key, message } of combinationProblems(dataset.value)) {
      addIssue({ message, ...(key !== undefined && { path: [pathItem(dataset.value, key)] }) });
    }
  }),
);

// ---------------------------------------------------------------- the task

/**
 * Creates the task that a definition describes. Files are read when the task is evaluated.
 * @param judge creates the judge of a definition with `judge`; default: the one that the environment variables name, see
 *   `openAiJudge`, with the prompt of Alpaca Eval
 * @throws {EvaluationError} if the definition is invalid; lists every problem by field
 */
export function ownTask(definition: OwnTask, judge?: () => Judge): Task {
  const task = validated(ownTaskSchema, definition, `task ${shown(definition?.name)}`, EvaluationError);
  if (task.choices !== undefined) return choiceTask(task, task.choices);
  if (task.references !== undefined) return referenceTask(task, task.references);
  return judgedOwnTask(task, task.judge!, judge ?? (() => openAiJudge({ prompt: ALPACA_EVAL_PROMPT })));
}

/** The metric that stands for a task of one's own in tables. */
export function primaryMetric(definition: OwnTask): string {
  return definition.metric ?? ABOUT[kindsOf(definition)[0]].metrics[0];
}

/** The type of a task of one's own: multiple choice, short generation (references) or long generation (judged). */
export function ownTaskType(definition: OwnTask): "MC" | "G_S" | "G_L" {
  return ABOUT[kindsOf(definition)[0]].type;
}

const separatorOf = ({ separator, template = false }: OwnTask): string => separator ?? (template ? "" : " ");

/** @param settings default settings of the kind that change what is asked or scored */
function aboutOf(task: OwnTask, settings: Record<string, unknown>): TaskAbout {
  const { name, version = "1", shots = 0 } = task;
  const data = fromRoot(task.data);
  const shotsData = fromRoot(task.shotsData ?? task.data);
  const dropsItself = shotsData === data;
  const { prompt, choices, answer, references, judge, template = false } = task;
  return {
    name,
    version,
    harness: "0.4.13",
    shots,
    data: { items: [[data]], shots: [shotsData], dropsItself },
    usesTemplate: template,
    definition: sha256(
      JSON.stringify({ prompt, choices, answer, references, judge, template, dropsItself, ...settings }),
    ),
  };
}

/** Returns the function that makes a row's question. */
function promptOf({ prompt, template = false }: OwnTask): (row: Fields, style: PromptStyle) => string {
  const render = rowTemplate(prompt!);
  if (!template) return render;
  return (row, style) => renderPrompt({ instruction: render(row), input: "", output: "" }, style.template).prompt;
}

function choiceTask(task: OwnTask, given: string | string[]): MultipleChoiceTask {
  const separator = separatorOf(task);
  const promptFor = promptOf(task);
  const choicesOf = typeof given === "string" ? listedChoices(given) : writtenChoices(given);
  return {
    ...aboutOf(task, { separator }),
    kind: "multiple choice",
    metrics: { acc: accuracy, acc_norm: normalizedAccuracy },
    question(row, style) {
      const prompt = promptFor(row, style);
      const choices = choicesOf(row);
      const right = rightChoice(row, task.answer!, choices);
      return {
        requests: choices.map((choice) => ({ prompt, continuation: separator + choice })),
        choices,
        correct: choices.map((_, i) => i === right),
        solved: { question: prompt, delimiter: separator, answer: choices[right] },
      };
    },
  };
}

/** Choices that are a list in the row. */
function listedChoices(path: string): (row: Fields) => string[] {
  return (row) => {
    const list = valueAt(row, path);
    if (!Array.isArray(list)) throw row.problem(path, `must be a list of choices, got ${shown(list)}`);
    if (list.length < 2) throw row.problem(path, `must have at least two choices, has ${list.length}`);
    return nonEmpty(
      row,
      path,
      list.map((entry) => asText(entry, (problem) => row.problem(path, problem))),
    );
  };
}

/** Choices that are written as templates. */
function writtenChoices(templates: string[]): (row: Fields) => string[] {
  const renderers = templates.map(rowTemplate);
  return (row) =>
    nonEmpty(
      row,
      "choices",
      renderers.map((render) => render(row)),
    );
}

function nonEmpty(row: Fields, path: string, texts: string[]): string[] {
  const empty = texts.indexOf("");
  if (empty >= 0) throw row.problem(path, `has an empty text (number ${empty + 1})`);
  return texts;
}

/** The position of the right choice, which a row gives as a position from 0, a choice's text, or a choice's letter. */
function rightChoice(row: Fields, path: string, choices: string[]): number {
  const answer = valueAt(row, path);
  const name = typeof answer === "boolean" ? String(answer) : answer;
  const candidates = typeof name === "string" ? namedChoices(name, choices) : [name as number];
  if (candidates.length > 1)
    throw row.problem(
      path,
      `is ${shown(answer)}, which fits choices ${candidates.map((i) => i + 1).join(" and ")}; give its position from 0`,
    );
  const [right] = candidates;
  if (!Number.isInteger(right) || !(right >= 0 && right < choices.length))
    throw row.problem(
      path,
      `is ${shown(answer)}, but must be the right choice's position (0 to ${choices.length - 1}, a number), ` +
        `its text, or its letter (A to ${letter(choices.length - 1)})`,
    );
  return right;
}

/** Positions of the choices that have this text or letter. */
function namedChoices(name: string, choices: string[]): number[] {
  return choices.flatMap((choice, i) => (choice === name || letter(i) === name ? [i] : []));
}

const letter = (i: number): string => String.fromCharCode("A".charCodeAt(0) + i);

function referenceTask(task: OwnTask, path: string): GenerationTask {
  const { stops = ["\n"], maxNewTokens = 256 } = task;
  const separator = separatorOf(task);
  const promptFor = promptOf(task);
  return {
    ...aboutOf(task, { separator, stops }),
    kind: "generation",
    stops,
    maxNewTokens,
    score: scoreReferences,
    question(row, style) {
      const prompt = promptFor(row, style);
      const references = referencesOf(row, path);
      return { prompt, references, solved: { question: prompt, delimiter: separator, answer: references[0] } };
    },
  };
}

function referencesOf(row: Fields, path: string): string[] {
  const list = [valueAt(row, path)].flat();
  if (list.length === 0) throw row.problem(path, "has no texts");
  return nonEmpty(
    row,
    path,
    list.map((entry) => asText(entry, (problem) => row.problem(path, problem))),
  );
}

function judgedOwnTask(task: OwnTask, { opponent, order }: OwnTask["judge"] & {}, judge: () => Judge): GenerationTask {
  const { prompt, maxNewTokens = 512 } = task;
  const render = prompt === undefined ? undefined : rowTemplate(prompt);
  return judgedTask({
    about: aboutOf(task, {}),
    maxNewTokens,
    judge,
    instruction: render ? (row) => ({ instruction: render(row), input: "" }) : instructionOf,
    opponent: (_, row) => textAt(row, opponent),
    order,
    cacheFile: judgementsFile(),
  });
}
