// Collects the texts that a study's runs generated, by prompt.
import { PromptlossError } from "../data/errors";
import { tokenLength } from "../data/statistics";
import { renderChat, type ChatTemplate } from "../data/chat-template";
import { isChatTemplate, type RowTemplate } from "../data/row-template";
import { loadTokenizer } from "../data/tokenizer";
import { Absences, type Absence } from "../evaluate/absences";
import { storedResult } from "../evaluate/evaluate-task";
import { Memo } from "../evaluate/memo";
import { resolveTasks } from "../evaluate/registry";
import type { Sample } from "../evaluate/results";
import { subjectOf } from "../evaluate/subject";
import { sentenceBleu } from "../metrics/bleu";
import { splitWords } from "../metrics/words";
import { RunStore, type Run } from "../runs/store";
import { storedRuns } from "../sweep/stored-runs";
import type { Study } from "../sweep/study";
import { memorizationTasks, studyEvaluation } from "../sweep/study-scores";
import { benchmarkOf } from "./benchmarks";
import { factors, type RunFactors } from "./run-rows";

/** What a judge says of a text: better or worse than its opponent's, as good, or nothing that can be read. */
export type TextVerdict = "wins" | "loses" | "tie" | "no verdict";

/** A text that a run generated. */
export type WrittenText = RunFactors & {
  /** id of the run */
  run: string;
  text: string;
  /** length of `text` in `unit`, without end-of-sequence */
  length: number;
  /** tokens of the run's own tokenizer; words where it cannot be loaded */
  unit: "tokens" | "words";
  /** whether the text reached the limit of new tokens, and ends there */
  cutOff: boolean;
  /** BLEU of this text against the references, 0 to 100, as `sentenceBleu`; null without a reference */
  bleu: number | null;
  /** null if the task is not judged */
  verdict: TextVerdict | null;
};

/** A prompt with the texts of all runs that were given it. */
export interface PromptTexts {
  /** task name */
  task: string;
  /** display name of the task */
  benchmark: string;
  /** index of the item in its task, from 0, in the first run that has it */
  id: number;
  /** the whole request as the runs read it, with template and few-shot examples */
  prompt: string;
  /** what the prompt asks: instruction and input without the template, or the question after the few-shot examples */
  asked: string;
  /** right answers; may be empty */
  references: readonly string[];
  /** judged tasks: the text that the judge compared the runs' texts with */
  opponent?: string;
  texts: readonly WrittenText[];
}

/** All texts that a study's runs generated. */
export interface StudyTexts {
  /** in the order of the tasks, within a task in the order of the first run */
  prompts: readonly PromptTexts[];
  /** tasks and runs of the study without texts */
  absent: readonly Absence[];
}

/**
 * Reads every text that a study's runs generated and that is stored: the answers to the study's generation tasks and,
 * from {@link memorizationTasks}, the completions of training and held-out prompts. Nothing is generated or evaluated.
 *
 * Prompts of a task are one prompt if request, references and opponent are equal. The same training row in two data sets
 * is therefore one prompt, and the rows of transformed data sets are prompts of their own.
 *
 * @param runs runs of the study
 * @param tasks names of tasks to read; default: all
 * @returns the texts, and what has none with the reason
 * @throws {EvaluationError} for unknown tasks
 */
export async function studyTexts(study: Study, runs: readonly Run[], tasks?: readonly string[]): Promise<StudyTexts> {
  const options = studyEvaluation(study);
  const memo = new Memo();
  const prompts = new Map<string, PromptTexts & { texts: WrittenText[] }>();
  const absences = new Absences();
  const write = textWriter();
  const requests = [...study.tasks, ...memorizationTasks(study)].filter(({ name }) => tasks?.includes(name) ?? true);
  for (const { task, settings } of resolveTasks(requests, options)) {
    if (task.kind !== "generation") continue;
    for (const run of runs)
      try {
        const result = await storedResult(subjectOf(run), task, { ...options, ...settings }, memo);
        if (!result) absences.add(task.name, run.name, "not evaluated yet");
        const counts = new Map<string, number>();
        for (const sample of result?.samples ?? []) {
          const content = JSON.stringify([sample.requests[0].context, sample.references, sample.judged?.opponent]);
          const count = counts.get(content) ?? 0; // a task may ask the same twice
          counts.set(content, count + 1);
          const key = JSON.stringify([task.name, count, content]);
          const prompt = prompts.get(key) ?? promptOf(task.name, sample, run.recipe.template);
          prompts.set(key, prompt);
          prompt.texts.push(write(run, sample));
        }
      } catch (error) {
        absences.addError(task.name, run.name, error);
      }
  }
  const given = new Set(runs.flatMap(({ id, name }) => [id, name]));
  for (const { name, status, reason, run } of storedRuns(study, runs[0]?.store ?? new RunStore()))
    if (!given.has(run?.id ?? name))
      absences.add(null, name, reason === "" ? "not among the given runs" : `${status}: ${reason}`);
  return { prompts: [...prompts.values()], absent: absences.list() };
}

function promptOf(task: string, sample: Sample, template: RowTemplate): PromptTexts & { texts: WrittenText[] } {
  const prompt = sample.requests[0].context;
  return {
    task,
    benchmark: benchmarkOf(task)?.name ?? task,
    id: sample.id,
    prompt,
    asked: askedText(prompt, template),
    references: sample.references ?? [],
    ...(sample.judged && { opponent: sample.judged.opponent }),
    texts: [],
  };
}

/**
 * Returns what a prompt asks: without the texts of the template if it was rendered with it (instruction, and input in
 * the next line; of a conversation the last message of the user), otherwise what follows the last blank line, where
 * few-shot examples end.
 */
export function askedText(prompt: string, template: RowTemplate): string {
  if (isChatTemplate(template)) return lastRequest(prompt, template) ?? lastParagraph(prompt);
  for (const layout of [template.withInput, template.withoutInput]) {
    const fields = fieldsOf(prompt, layout.split(/\{(?:instruction|input)\}/));
    if (fields) return fields.join("\n");
  }
  return lastParagraph(prompt);
}

const lastParagraph = (prompt: string): string => prompt.slice(prompt.trimEnd().lastIndexOf("\n\n") + 1).trim();

/** The last user message of a prompt that a chat template rendered; undefined if it is not such a prompt. */
function lastRequest(prompt: string, template: ChatTemplate): string | undefined {
  const [reply, request] = ["(reply)", "(request)"];
  const messages = [
    { role: "user", content: request },
    { role: "assistant", content: reply },
    { role: "user", content: request },
  ] as const;
  const rendered = (count: 1 | 3): string[] =>
    renderChat(template, messages.slice(3 - count), { addGenerationPrompt: true }).split(request);
  try {
    const [[first, end], [, between]] = [rendered(1), rendered(3)];
    const header = between?.split(reply)[1];
    if (end === undefined || header === undefined || !prompt.endsWith(end)) return undefined;
    const body = prompt.slice(0, prompt.length - end.length);
    const start = body.lastIndexOf(header);
    if (start >= 0) return body.slice(start + header.length);
    return body.startsWith(first) ? body.slice(first.length) : undefined;
  } catch {
    return undefined; // a template that refuses these messages
  }
}

/** The texts between the literal parts of a template, each up to the next one's first place; undefined if it differs. */
function fieldsOf(prompt: string, [first, ...rest]: string[]): string[] | undefined {
  if (!prompt.startsWith(first)) return undefined;
  const fields: string[] = [];
  let position = first.length;
  for (const [i, part] of rest.entries()) {
    const isLast = i === rest.length - 1;
    const end = isLast ? prompt.length - part.length : prompt.indexOf(part, position);
    if (end < position || !prompt.startsWith(part, end)) return undefined;
    fields.push(prompt.slice(position, end));
    position = end + part.length;
  }
  return fields;
}

/**
 * Creates a function from a run's sample to its text, whose length and BLEU are computed when they are read, and of
 * equal texts once.
 */
function textWriter(): (run: Run, sample: Sample) => WrittenText {
  const measures = new Map<string, LengthMeasure>();
  const bleu = memoized((key) => {
    const [text, references] = JSON.parse(key) as [string, string[]];
    return sentenceBleu(text, references).score;
  });
  return (run, { requests, references = [], finish, judged, metrics }) => {
    const text = requests[0].continuation;
    const { digest } = run.recipe.tokenizer;
    const measure = measures.get(digest) ?? lengthMeasure(run);
    measures.set(digest, measure);
    return {
      run: run.id,
      ...factors(run),
      text,
      get length() {
        return measure.lengthOf(text);
      },
      unit: measure.unit,
      cutOff: finish === "length",
      get bleu() {
        return references.length > 0 ? bleu(JSON.stringify([text, references])) : null;
      },
      verdict: judged ? verdictOf(metrics.win_rate) : null,
    };
  };
}

interface LengthMeasure {
  unit: WrittenText["unit"];
  lengthOf: (text: string) => number;
}

function lengthMeasure(run: Run): LengthMeasure {
  try {
    const tokenizer = loadTokenizer(run.tokenizerDir);
    return { unit: "tokens", lengthOf: memoized((text) => tokenLength(text, tokenizer)) };
  } catch (error) {
    if (!(error instanceof PromptlossError)) throw error;
    return { unit: "words", lengthOf: (text) => splitWords(text).length };
  }
}

function memoized(compute: (key: string) => number): (key: string) => number {
  const known = new Map<string, number>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}

/** @param winRate of one text, 0 to 100; undefined without verdict */
function verdictOf(winRate: number | undefined): TextVerdict {
  if (winRate === undefined) return "no verdict";
  return winRate > 50 ? "wins" : winRate < 50 ? "loses" : "tie";
}
