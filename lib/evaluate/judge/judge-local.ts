import { rouge } from "../../metrics/rouge";
import type { Judge } from "./judge";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";
import type { Verdict } from "./judge-cache";

/** The longer answer wins (in Unicode characters): the baseline beside every judge, not a judgement. */
export const lengthJudge: Judge = {
  name: "length only",
  standIn: true,
  digest: "length only",
  compare: (_, first, second) => Promise.resolve({ verdict: larger(codePoints(first), codePoints(second)) }),
};

/**
 * A stand-in that needs no model: the answer that overlaps more with the question's `gold` answer wins, by the F-measure of ROUGE-L
 * (Lin, 2004); equal overlap is a tie. It sees wording, not quality.
 * Its `compare` throws an {@link EvaluationError} for a question without `gold`.
 */
export const referenceJudge: Judge = {
  name: "stand-in (ROUGE-L with a right answer)",
  standIn: true,
  digest: "ROUGE-L stand-in",
  compare: ({ instruction, gold }, first, second) => {
    if (!gold)
      return Promise.reject(
        new EvaluationError(`The stand-in judge needs a right answer (gold) to "${instruction.slice(0, 60)}".`),
      );
    const overlap = (text: string) => rouge(gold, text, ["rougeL"]).rougeL.fmeasure;
    return Promise.resolve({ verdict: larger(overlap(first), overlap(second)) });
  },
};

function larger(first: number, second: number): Verdict {
  return first > second ? "first" : first < second ? "second" : "tie";
}
