import { oneOf } from "../../data/validate";
import { checkOptions } from "../../data/arguments";
import { DataError, EvaluationError } from "../../data/errors";
import { abridged } from "../../data/well-formed";
import { readList, judgementsFile } from "./alpaca-eval";
import { convertRows, type Fields } from "../fields";
import { JUDGED_TASK_OPTIONS, instructionOf, judgedTask, type Instruction, type JudgedTaskOptions } from "./judge-task";
import { openAiJudge } from "./judge-openai";
import { PANDALM_PROMPT } from "./judge-prompts";
import type { GenerationTask } from "../task";

/** Label of a pair of responses. 0: equally good; 1 or 2: that response is better. */
export type PandaLmLabel = 0 | 1 | 2;

/** A pair of responses with the labels of three people. */
export interface PandaLmPair extends Instruction {
  response1: string;
  response2: string;
  /** one label per annotator */
  annotators: PandaLmLabel[];
}

/**
 * Reads PandaLM's `testset-v1.json`: pairs of responses with the labels of three annotators.
 * @throws {DataError} naming the invalid rows and fields
 */
export function readPandaLmPairs(path: string): PandaLmPair[] {
  return convertRows(readList(path), path, (row) => ({
    ...instructionOf(row),
    response1: response(row, "response1"),
    response2: response(row, "response2"),
    annotators: ["annotator1", "annotator2", "annotator3"].map((field) => label(row, field)),
  }));
}

/**
 * Reads a judge's labels of the test set's pairs from one of PandaLM's result files.
 * @param field field that holds the label
 * @returns one label per pair; null if the judge's answer could not be parsed
 * @throws {DataError} naming the invalid rows and fields
 */
export function readPandaLmLabels(path: string, field: "pandalm_result" | "gpt_result"): (PandaLmLabel | null)[] {
  return convertRows(readList(path), path, (row) => {
    const value = row.value(field);
    if (value === "garbage") return null;
    if (typeof value === "string")
      return /^tie$/i.test(value) ? 0 : label(row, field, value.trim() === "" ? value : Number(value));
    return label(row, field);
  });
}

/** Reads a response. In six published rows the text "True" was stored as the JSON value `true`. */
function response(row: Fields, field: string): string {
  return row.value(field) === true ? "True" : row.text(field);
}

function label(row: Fields, field: string, value: unknown = row.value(field)): PandaLmLabel {
  if (value === 0 || value === 1 || value === 2) return value;
  throw row.problem(field, `must be 0, 1 or 2, got ${JSON.stringify(row.value(field))}`);
}

/**
 * Determines the label that more than half of the annotators gave.
 * @returns null if there is no such label, which does not occur in version 1 of the test set
 */
export function humanLabel(annotators: readonly PandaLmLabel[]): PandaLmLabel | null {
  return (
    ([0, 1, 2] as const).find(
      (candidate) => 2 * annotators.filter((given) => given === candidate).length > annotators.length,
    ) ?? null
  );
}

/** Agreement of a judge with people. */
export interface HumanAgreement {
  /** percentage of pairs where the judge's label equals the human label */
  agreement: number;
  /** binomial standard error of `agreement`, √(p (1 − p) / n), in percentage points */
  standardError: number;
  /** macro average over the three labels, in per cent; a label that the judge never gives has precision 0 */
  precision: number;
  /** macro average, in per cent */
  recall: number;
  /** macro average, in per cent */
  f1: number;
  /** number of pairs with a human label */
  n: number;
  /** number of those pairs without a label from the judge */
  unreadable: number;
}

/**
 * Computes how often a judge's labels of pairs agree with people's labels.
 * @param labels the judge's labels, one per pair; null if missing
 * @param human human labels, one per pair; pairs with null are excluded
 * @param options.unreadable how to count a missing label of the judge: as "wrong" (default), or as "tie", like
 * PandaLM's `compute_metrics.py`
 * @throws {EvaluationError} if the lists differ in length, or no pair has a human label
 */
export function humanAgreement(
  labels: readonly (PandaLmLabel | null)[],
  human: readonly (PandaLmLabel | null)[],
  options: { unreadable?: "wrong" | "tie" } = {},
): HumanAgreement {
  checkOptions("humanAgreement", options, { unreadable: oneOf(["wrong", "tie"]) }, { ErrorClass: EvaluationError });
  if (labels.length !== human.length)
    throw new EvaluationError(
      `humanAgreement: ${labels.length} labels but ${human.length} human labels; give one of each per pair.`,
    );
  const pairs = labels.flatMap((given, i) =>
    human[i] === null
      ? []
      : [{ given: given ?? (options.unreadable === "tie" ? 0 : null), human: human[i], missing: given === null }],
  );
  const n = pairs.length;
  if (n === 0) throw new EvaluationError("humanAgreement: no pair has a human label; give at least one.");
  const agreement = pairs.filter(({ given, human }) => given === human).length / n;
  const perLabel = ([0, 1, 2] as const).map((candidate) => {
    const hits = pairs.filter(({ given, human }) => given === candidate && human === candidate).length;
    const precision = hits / Math.max(1, pairs.filter(({ given }) => given === candidate).length);
    const recall = hits / Math.max(1, pairs.filter(({ human }) => human === candidate).length);
    return { precision, recall, f1: hits > 0 ? (2 * precision * recall) / (precision + recall) : 0 };
  });
  const macro = (measure: "precision" | "recall" | "f1") =>
    (100 * perLabel.reduce((sum, values) => sum + values[measure], 0)) / 3;
  return {
    agreement: 100 * agreement,
    standardError: 100 * Math.sqrt((agreement * (1 - agreement)) / n),
    precision: macro("precision"),
    recall: macro("recall"),
    f1: macro("f1"),
    n,
    unreadable: pairs.filter(({ missing }) => missing).length,
  };
}

/**
 * Creates the task PandaLM: 170 instructions, where the model's answers are compared with those of another model. By
 * default the judge is the one that the environment variables name (PandaLM-7B, for example). The paper does not say
 * which model it compared with, so the opponent's answers must be given.
 * @param opponents JSON file of rows with `instruction`, `input` and `output`, read when the first question is prepared
 * @param options override the defaults
 */
export function pandaLm(opponents: string, options: Partial<JudgedTaskOptions> = {}): GenerationTask {
  checkOptions("pandaLm", options, JUDGED_TASK_OPTIONS, { ErrorClass: EvaluationError });
  const keyOf = ({ instruction, input }: Instruction) => JSON.stringify([instruction, input]);
  let outputs: Map<string, string> | undefined;
  const readOutputs = () =>
    new Map(convertRows(readList(opponents), opponents, (row) => [keyOf(instructionOf(row)), response(row, "output")]));
  const advice =
    "PandaLM compares the answers with those of another model: save them there, " +
    "as rows of instruction, input and output.";
  return judgedTask({
    about: {
      name: "pandalm",
      version: "1",
      harness: "0.4.13",
      shots: 0,
      data: {
        items: [["pandalm/testset-inference-v1"]],
        shots: [],
        dropsItself: false,
        others: [{ file: opponents, advice }],
      },
    },
    maxNewTokens: 512,
    judge: () => openAiJudge({ prompt: PANDALM_PROMPT }),
    opponent: (instruction) => {
      const output = (outputs ??= readOutputs()).get(keyOf(instruction));
      if (output === undefined)
        throw new DataError(
          `${opponents}: no answer to "${abridged(instruction.instruction, 60)}". ` +
            "Add a row for every instruction of the test set.",
        );
      return output;
    },
    cacheFile: judgementsFile(),
    ...options,
  });
}
