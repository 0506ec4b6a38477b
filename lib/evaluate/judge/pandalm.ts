import { DataError, EvaluationError } from "../../data/errors";
import { readList, judgementsFile } from "./alpaca-eval";
import { convertRows, type Fields } from "../fields";
import { instructionOf, judgedTask, type Instruction, type JudgedTaskOptions } from "./judge-task";
import { openAiJudge } from "./judge-openai";
import { PANDALM_PROMPT } from "./judge-prompts";
import type { GenerationTask } from "../task";

/** 0: equally good; 1 or 2: that response is better. */
export type PandaLmLabel = 0 | 1 | 2;

export interface PandaLmPair extends Instruction {
  response1: string;
  response2: string;
  annotators: PandaLmLabel[];
}

/** PandaLM's `testset-v1.json`: pairs with three people's labels. @throws {DataError} naming rows and fields */
export function readPandaLmPairs(path: string): PandaLmPair[] {
  return convertRows(readList(path), path, (row) => ({
    ...instructionOf(row),
    response1: response(row, "response1"),
    response2: response(row, "response2"),
    annotators: ["annotator1", "annotator2", "annotator3"].map((field) => label(row, field)),
  }));
}

/** A judge's labels of those pairs, from PandaLM's result files (`pandalm_result`, `gpt_result`): null where the judge's answer was not readable. */
export function readPandaLmLabels(path: string, field: "pandalm_result" | "gpt_result"): (PandaLmLabel | null)[] {
  return convertRows(readList(path), path, (row) => {
    const value = row.value(field);
    if (value === "garbage") return null;
    if (typeof value === "string") return /^tie$/i.test(value) ? 0 : label(row, field, Number(value));
    return label(row, field);
  });
}

/** Six published responses are JSON's `true` where the text was "True". */
function response(row: Fields, field: string): string {
  return row.value(field) === true ? "True" : row.text(field);
}

function label(row: Fields, field: string, value: unknown = row.value(field)): PandaLmLabel {
  if (value === 0 || value === 1 || value === 2) return value;
  throw row.problem(field, `must be 0, 1 or 2, not ${JSON.stringify(row.value(field))}`);
}

/** The label that more than half of the annotators give, or null where none does (no pair of version 1 is like that). */
export function humanLabel(annotators: readonly PandaLmLabel[]): PandaLmLabel | null {
  return (
    ([0, 1, 2] as const).find(
      (candidate) => 2 * annotators.filter((given) => given === candidate).length > annotators.length,
    ) ?? null
  );
}

export interface HumanAgreement {
  /** pairs with the same label of the three, per cent of all pairs */
  agreement: number;
  /** binomial, in percentage points */
  standardError: number;
  /** macro averages over the three labels, per cent; a label that is never given has precision 0 */
  precision: number;
  recall: number;
  f1: number;
  /** pairs with a human label */
  n: number;
  /** of those, without a label of the judge's */
  unreadable: number;
}

/**
 * How often a judge says what people say of two responses: better, worse or equal.
 * `labels` and `human` are by pair; pairs without a human label are left out. A judge's missing label (null) is wrong,
 * or with `unreadable: "tie"` a tie, as PandaLM's own `compute_metrics.py` counts it.
 * @throws {EvaluationError} for lists of different lengths, or without a human label
 */
export function humanAgreement(
  labels: readonly (PandaLmLabel | null)[],
  human: readonly (PandaLmLabel | null)[],
  options: { unreadable?: "wrong" | "tie" } = {},
): HumanAgreement {
  if (labels.length !== human.length)
    throw new EvaluationError(`humanAgreement: ${labels.length} labels for ${human.length} pairs.`);
  const pairs = labels.flatMap((given, i) =>
    human[i] === null
      ? []
      : [{ given: given ?? (options.unreadable === "tie" ? 0 : null), human: human[i], missing: given === null }],
  );
  const n = pairs.length;
  if (n === 0) throw new EvaluationError("humanAgreement: no pair has a human label.");
  const share = pairs.filter(({ given, human }) => given === human).length / n;
  const classes = ([0, 1, 2] as const).map((kind) => {
    const hits = pairs.filter(({ given, human }) => given === kind && human === kind).length;
    const precision = hits / Math.max(1, pairs.filter(({ given }) => given === kind).length);
    const recall = hits / Math.max(1, pairs.filter(({ human }) => human === kind).length);
    return { precision, recall, f1: hits > 0 ? (2 * precision * recall) / (precision + recall) : 0 };
  });
  const macro = (measure: "precision" | "recall" | "f1") =>
    (100 * classes.reduce((sum, values) => sum + values[measure], 0)) / 3;
  return {
    agreement: 100 * share,
    standardError: 100 * Math.sqrt((share * (1 - share)) / n),
    precision: macro("precision"),
    recall: macro("recall"),
    f1: macro("f1"),
    n,
    unreadable: pairs.filter(({ missing }) => missing).length,
  };
}

/**
 * PandaLM: 170 instructions, the model's answers against those of another model, judged by the model that the environment names
 * (PandaLM-7B itself, for example). The paper does not say which model it compared with, so `opponents` must:
 * a JSON file of rows with `instruction`, `input` and `output`.
 */
export function pandaLm(opponents: string, options: Partial<JudgedTaskOptions> = {}): GenerationTask {
  const asked = ({ instruction, input }: Instruction) => JSON.stringify([instruction, input]);
  let outputs: Map<string, string> | undefined;
  const readOutputs = () =>
    new Map(convertRows(readList(opponents), opponents, (row) => [asked(instructionOf(row)), response(row, "output")]));
  const advice =
    "PandaLM compares with another model's answers to its instructions: put them there, rows of instruction, input and output.";
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
      const output = (outputs ??= readOutputs()).get(asked(instruction));
      if (output === undefined)
        throw new DataError(
          `${opponents}: there is no answer to "${instruction.instruction.slice(0, 60)}". It needs a row for each instruction of the test set.`,
        );
      return output;
    },
    cacheFile: judgementsFile(),
    ...options,
  });
}
