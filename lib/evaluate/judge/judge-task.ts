import { oneOf, text } from "../../data/validate";
import { aFunction, anObject, count, type OptionSchemas } from "../../data/arguments";
import { renderPrompt } from "../../data/template";
import { rouge } from "../../metrics/rouge";
import type { Fields } from "../fields";
import {
  judgeOutputs,
  type Judge,
  type JudgedItem,
  type JudgedQuestion,
  type JudgedResult,
  type JudgeOrder,
} from "./judge";
import type { GenerationQuestion, GenerationTask, Scores, TaskAbout } from "../task";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";
import { abridged } from "../../data/well-formed";

/** An instruction with its input. */
export interface Instruction {
  instruction: string;
  /** "" if there is no input */
  input: string;
}

/** Options of {@link judgedTask}. */
export interface JudgedTaskOptions {
  about: TaskAbout;
  /** default maximum length of an answer, in tokens */
  maxNewTokens: number;
  /** creates the judge; called before any data are read, so that a missing judge is reported first */
  judge: () => Judge;
  /** returns the instruction that the model answers; default: the fields `instruction` and `input` */
  instruction?: (row: Fields) => Instruction;
  /** returns the text that the model's answer is compared with */
  opponent: (instruction: Instruction, row: Fields) => string;
  /** returns a right answer, which stand-in judges need */
  gold?: (row: Fields) => string;
  /** order in which the answers are shown; default `random` */
  order?: JudgeOrder;
  /** JSON Lines file of the judge's answers; stand-in judges do not use it */
  cacheFile?: string;
}

/** What the options of {@link judgedTask} must be. */
export const JUDGED_TASK_OPTIONS: OptionSchemas<JudgedTaskOptions> = {
  about: anObject,
  maxNewTokens: count,
  judge: aFunction,
  instruction: aFunction,
  opponent: aFunction,
  gold: aFunction,
  order: oneOf<JudgeOrder>(["random", "both"]),
  cacheFile: text,
};

interface JudgedTaskQuestion extends GenerationQuestion {
  judged: JudgedQuestion;
  opponent: string;
}

/**
 * Creates a task of long answers that a judge scores. The model answers an instruction in its own prompt template.
 *
 * Metrics: `win_rate`, in per cent; `win_rate_length_only`, the win rate in per cent if the longer answer always wins;
 * `first_chosen`, the percentage of verdicts that chose the answer shown first (50 means no position bias);
 * `output_length` and `opponent_length`, mean lengths in Unicode code points. Answers without a verdict are excluded
 * from `win_rate`; `unjudged` is their number.
 *
 * Scoring throws an {@link EvaluationError} if no answer has a verdict.
 */
export function judgedTask({
  about,
  maxNewTokens,
  judge,
  instruction: instructionFrom = instructionOf,
  opponent,
  gold,
  order,
  cacheFile,
}: JudgedTaskOptions): GenerationTask {
  return {
    ...about,
    kind: "generation",
    stops: [],
    maxNewTokens,
    judge,
    question(row, { template }): JudgedTaskQuestion {
      const instruction = instructionFrom(row);
      const goldAnswer = gold?.(row);
      const { prompt } = renderPrompt({ ...instruction, output: "" }, template);
      return {
        prompt,
        solved: { question: prompt, delimiter: "", answer: goldAnswer ?? "" },
        references: goldAnswer === undefined ? [] : [goldAnswer],
        instruction: instruction.instruction,
        judged: { ...instruction, gold: goldAnswer },
        opponent: opponent(instruction, row),
      };
    },
    async score(answers, { signal }) {
      const items = answers.map(({ question, text }) => {
        const { judged, opponent } = question as JudgedTaskQuestion;
        return { ...judged, output: text, reference: opponent };
      });
      const configuredJudge = judge();
      const result = await judgeOutputs({
        judge: configuredJudge,
        items,
        order,
        ...(!configuredJudge.standIn && { cacheFile }), // a stand-in's verdicts cost nothing to recompute
        signal,
      });
      if (result.winRate.n === 0) {
        const problem = result.samples[0].judgements[0].answers.at(-1)?.problem;
        throw new EvaluationError(
          `${about.name}: ${result.judge} gave no verdict that could be parsed on any of ${items.length} answers ` +
            `(${problem}). Check the judge model and its prompt.`,
        );
      }
      return judgedScores(result, items);
    },
  };
}

function judgedScores(result: JudgedResult, items: readonly JudgedItem[]): Scores {
  const meanLength = (texts: string[]) => texts.reduce((sum, text) => sum + codePoints(text), 0) / texts.length;
  return {
    metrics: {
      win_rate: result.winRate.winRate,
      win_rate_length_only: result.lengthBaseline.winRate,
      ...(result.firstChosen !== null && { first_chosen: result.firstChosen }),
      unjudged: result.winRate.missing,
      output_length: meanLength(items.map(({ output }) => output)),
      opponent_length: meanLength(items.map(({ reference }) => reference)),
    },
    standardErrors: {
      win_rate: result.winRate.standardError,
      win_rate_length_only: result.lengthBaseline.standardError,
    },
    perAnswer: result.samples.map(({ preference }): Record<string, number> =>
      preference === null ? {} : { win_rate: 100 * (preference - 1) },
    ),
    judged: result.samples.map(({ judgements }, i) => ({ opponent: items[i].reference, judgements })),
  };
}

/**
 * Reads the fields `instruction` and `input`, which may be absent or null.
 * @throws {FieldProblem} if one of them is invalid
 */
export function instructionOf(row: Fields): Instruction {
  return {
    instruction: row.text("instruction"),
    input: (row.value("input") ?? null) === null ? "" : row.text("input"),
  };
}

/**
 * Creates an opponent that gives the answer to the most similar other instruction, measured by the ROUGE-L F-measure of
 * instruction and input; the first of equals. Such an answer is plausible in form but wrong in content, so a model wins
 * if its answer contains more of the right answer. Answers equal to the right one are not used.
 * @param rows instructions with their right answers
 * @returns a function from an instruction to the opponent's answer. It throws an {@link EvaluationError} if there is no
 * other row with a different answer
 */
export function nearestAnswers(
  rows: readonly (Instruction & { output: string })[],
): (instruction: Instruction) => string {
  const promptText = ({ instruction, input }: Instruction) => `${instruction}\n${input}`;
  const rowsByPrompt = new Map(rows.map((row) => [promptText(row), row]));
  return (instruction) => {
    const text = promptText(instruction);
    const rightAnswer = rowsByPrompt.get(text)?.output;
    let best: { output: string; overlap: number } | undefined;
    for (const row of rows) {
      if (promptText(row) === text || row.output === rightAnswer) continue;
      const overlap = rouge(promptText(row), text, ["rougeL"]).rougeL.fmeasure;
      if (!best || overlap > best.overlap) best = { output: row.output, overlap };
    }
    if (!best)
      throw new EvaluationError(
        `No other answer to compare with the one to "${abridged(instruction.instruction, 60)}": ` +
          "at least two rows with different answers are needed.",
      );
    return best.output;
  };
}
