// How far results are to be trusted: reasons for doubt, and the sentences that lead with them.
import { plwLabel, untransformWeight } from "../data/prompt-loss-weight";

/** How far a result is to be trusted. */
export type Trust = "trustworthy" | "with care" | "not to be trusted";

/** A reason to doubt a result. */
export interface Doubt {
  trust: Exclude<Trust, "trustworthy">;
  /** a clause: no capital, no period */
  reason: string;
}

/** How far a result is to be trusted, and why not further. */
export interface Assessment {
  trust: Trust;
  /** clauses, those for "not to be trusted" first; empty if the result is trustworthy */
  reasons: string[];
}

/** Collects doubts; the gravest decides. */
export function assess(doubts: readonly Doubt[]): Assessment {
  const grave = doubts.filter(({ trust }) => trust === "not to be trusted");
  const light = doubts.filter(({ trust }) => trust === "with care");
  return {
    trust: grave.length > 0 ? "not to be trusted" : light.length > 0 ? "with care" : "trustworthy",
    reasons: [...grave, ...light].map(({ reason }) => reason),
  };
}

/**
 * Puts the reasons for doubt into words.
 *
 * @returns for example "not to be trusted: only 3 PLWs.", or "to be read with care: …"; empty for a trustworthy result
 */
export function describeDoubts({ trust, reasons }: Assessment): string {
  if (trust === "trustworthy") return "";
  return `${trust === "with care" ? "to be read with care" : trust}: ${reasons.join("; ")}.`;
}

/**
 * Puts the reasons for doubt before a statement.
 *
 * @param statement a sentence whose first word needs no capital, such as "H0 is rejected."
 * @returns the statement alone if the result is trustworthy
 */
export function withDoubts(assessment: Assessment, statement: string): string {
  if (assessment.trust === "trustworthy") return statement;
  const caveat = assessment.reasons.length > 1 ? "With these caveats" : "With that caveat";
  return `${describeDoubts(assessment)} ${caveat}, ${statement}`;
}

/** Shares of scores at the ends of their groups from which a fit is read with care, and not trusted. */
const ENDS = { care: 1 / 4, distrust: 1 / 2 };

/**
 * Doubts a fit to scores of which many are exactly 0 or 1: min-max transformed scores of small groups are mostly their
 * lowest and highest ones, and how these are moved inwards (squeezed) then decides the result.
 *
 * @param ends number of scores at 0 or 1
 */
export function doubtEnds(ends: number, scores: number): Doubt[] {
  const share = ends / scores;
  if (!(share >= ENDS.care)) return [];
  return [
    {
      trust: share >= ENDS.distrust ? "not to be trusted" : "with care",
      reason: `${ends} of ${scores} scores are the lowest or highest of their group (${(100 * share).toFixed(0)} %)`,
    },
  ];
}

/** Numbers of scores per parameter below which a fit is read with care, and not trusted. */
const SCORES_PER_PARAMETER = { care: 10, distrust: 5 };

/**
 * Doubts a fit with few scores per parameter (rule of thumb: ten).
 *
 * @param parameters their number, or effective degrees of freedom
 */
export function doubtSize(scores: number, parameters: number): Doubt[] {
  const perParameter = scores / parameters;
  if (perParameter >= SCORES_PER_PARAMETER.care) return [];
  return [
    {
      trust: perParameter < SCORES_PER_PARAMETER.distrust ? "not to be trusted" : "with care",
      reason: `${scores} scores are few for ${Math.round(parameters)} parameters`,
    },
  ];
}

/** Transformed PLWs. */
interface Best {
  best: number;
  /** lowest of the data */
  min: number;
  /** highest of the data */
  max: number;
}

/**
 * Doubts a best PLW that lies where the data end, or beyond.
 *
 * @param name of the best PLW in the sentence
 * @param beyond what is thought of a PLW beyond those of the data
 */
export function doubtBorder(name: string, { best, min, max }: Best, beyond: Doubt["trust"]): Doubt[] {
  const [lowest, highest] = [min, max].map((transformed) => plwLabel(untransformWeight(transformed)));
  if (best < min || best > max)
    return [{ trust: beyond, reason: `${name} lies beyond the PLWs of the data, ${lowest} to ${highest}` }];
  if (best > min && best < max) return [];
  return [{ trust: "with care", reason: `${name} is the ${best === min ? "lowest" : "highest"} PLW of the data` }];
}
