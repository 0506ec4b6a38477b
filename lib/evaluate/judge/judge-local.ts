import { rouge } from "../../metrics/rouge";
import type { Judge } from "./judge";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";
import { abridged } from "../../data/well-formed";
import type { Verdict } from "./judge-cache";

/** Baseline judge: the longer answer wins, measured in Unicode code points. It does not measure quality. */
export const lengthJudge: Judge = {
  name: "length only",
  standIn: true,
  digest: "length only",
  compare: (_, first, second) => Promise.resolve({ verdict: larger(codePoints(first), codePoints(second)) }),
};

/**
 * Stand-in judge that needs no model: the answer with the higher ROUGE-L F-measure (Lin, 2004) against the question's
 * `gold` answer wins; equal values are a tie. It measures wording, not quality. Its `compare` rejects with an
 * {@link EvaluationError} if a question has no `gold`.
 */
export const referenceJudge: Judge = {
  name: "stand-in (ROUGE-L with a right answer)",
  standIn: true,
  digest: "ROUGE-L stand-in",
  compare: ({ instruction, gold }, first, second) => {
    if (!gold)
      return Promise.reject(
        new EvaluationError(
          `The stand-in judge needs a right answer to "${abridged(instruction, 60)}"; set the field gold.`,
        ),
      );
    const overlap = (text: string) => rouge(gold, text, ["rougeL"]).rougeL.fmeasure;
    return Promise.resolve({ verdict: larger(overlap(first), overlap(second)) });
  },
};

function larger(first: number, second: number): Verdict {
  return first > second ? "first" : first < second ? "second" : "tie";
}
