import { renderPrompt } from "../../data/template";
import { rouge } from "../../metrics/rouge";
import type { Fields } from "../fields";
import { judgeOutputs, type Judge, type JudgedQuestion, type JudgeOrder } from "./judge";
import type { GenerationQuestion, GenerationTask, TaskAbout } from "../task";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";

/** A row's instruction, with its input or "". */
export interface Instruction {
  instruction: string;
  input: string;
}

export interface JudgedTaskOptions {
  about: TaskAbout;
  maxNewTokens: number;
  /** asked for before anything is read */
  judge: () => Judge;
  /** the text that the model's answer is compared with */
  opponent: (instruction: Instruction, row: Fields) => string;
  /** a right answer, which stand-in judges measure by */
  gold?: (row: Fields) => string;
  order?: JudgeOrder;
  cacheFile?: string;
}

interface JudgedTaskQuestion extends GenerationQuestion {
  judged: JudgedQuestion;
  opponent: string;
}

/**
 * Long generation scored by a judge: the model answers `instruction` and `input` in its own prompt template.
 *
 * Metrics (per cent, but for the last two): `win_rate`; `win_rate_length_only`, the same answers judged by length alone;
 * `first_chosen`, the judge's leaning to what stands first (50 is none); `output_length` and `opponent_length` in characters.
 * Answers that the judge gave no readable verdict on are left out of `win_rate`; `unjudged` counts them.
 */
export function judgedTask({
  about,
  maxNewTokens,
  judge,
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
      const instruction = instructionOf(row);
      const right = gold?.(row);
      const { prompt } = renderPrompt({ ...instruction, output: "" }, template);
      return {
        prompt,
        solved: `${prompt}${right ?? ""}`,
        references: right === undefined ? [] : [right],
        instruction: instruction.instruction,
        judged: { ...instruction, gold: right },
        opponent: opponent(instruction, row),
      };
    },
    async score(answers, { signal }) {
      const items = answers.map(({ question, text }) => {
        const { judged, opponent } = question as JudgedTaskQuestion;
        return { ...judged, output: text, reference: opponent };
      });
      const judging = judge();
      // what costs nothing need not be kept
      const result = await judgeOutputs({
        judge: judging,
        items,
        order,
        ...(!judging.standIn && { cacheFile }),
        signal,
      });
      if (result.winRate.n === 0) {
        const problem = result.samples[0].judgements[0].answers.at(-1)?.problem;
        throw new EvaluationError(
          `${about.name}: ${result.judge} gave no readable verdict on any of ${items.length} answers (${problem}).`,
        );
      }
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
    },
  };
}

/** `instruction`, and `input` where the row has one. */
export function instructionOf(row: Fields): Instruction {
  return { instruction: row.text("instruction"), input: row.value("input") === undefined ? "" : row.text("input") };
}

/**
 * For each row the answer to the most similar other instruction (ROUGE-L of instruction and input; the first of equals): an opponent
 * that sounds right and is about something else, so that a model wins where it says more of what the right answer says.
 * @throws {EvaluationError} for fewer than two rows with different answers
 */
export function nearestAnswers(
  rows: readonly (Instruction & { output: string })[],
): (instruction: Instruction) => string {
  const asked = ({ instruction, input }: Instruction) => `${instruction}\n${input}`;
  const known = new Map(rows.map((row) => [asked(row), row]));
  return (instruction) => {
    const text = asked(instruction);
    const own = known.get(text)?.output;
    let best: { output: string; overlap: number } | undefined;
    for (const row of rows) {
      if (asked(row) === text || row.output === own) continue;
      const overlap = rouge(asked(row), text, ["rougeL"]).rougeL.fmeasure;
      if (!best || overlap > best.overlap) best = { output: row.output, overlap };
    }
    if (!best)
      throw new EvaluationError(
        `There is no other answer to compare the one to "${instruction.instruction.slice(0, 60)}" with.`,
      );
    return best.output;
  };
}
