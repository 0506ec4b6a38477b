import { StatisticsError } from "../data/errors";

/**
 * A method that moves scores of exactly 0 and 1 into the open interval, since a beta distribution excludes them. The
 * paper does not name a method.
 *
 * - `smithson-verkuilen`: (y (n - 1) + 1/2) / n with n the number of rows (Smithson & Verkuilen 2006)
 * - `smithson-verkuilen-by-group`: the same with n the number of rows of the score's group
 * - `clamp`: clamps scores to [ε, 1 - ε] and leaves all others unchanged
 */
export type Squeeze = "smithson-verkuilen" | "smithson-verkuilen-by-group" | "clamp";

/** All {@link Squeeze} methods. */
export const SQUEEZES: readonly Squeeze[] = Object.freeze([
  "smithson-verkuilen",
  "smithson-verkuilen-by-group",
  "clamp",
] as const);

/** Describes how the scores were squeezed, for display with the fit. */
export interface SqueezeReport {
  /** "none" if no method was given and none was needed */
  method: Squeeze | "none";
  /** number of scores that were exactly 0 or 1 */
  atBounds: number;
  summary: string;
}

interface Squeezed {
  /** strictly between 0 and 1, in the order of the input */
  scores: number[];
  report: SqueezeReport;
}

/**
 * Squeezes scores into the open interval (0, 1).
 *
 * @param scores in [0, 1]
 * @param column name of the score column, for errors
 * @param method undefined: scores of exactly 0 or 1 are an error
 * @param options.groups one per score; required by `smithson-verkuilen-by-group`
 * @param options.epsilon ε of `clamp`, in (0, 0.5)
 * @throws {StatisticsError} if a score is outside [0, 1], a score is exactly 0 or 1 and there is no method, the method
 *   is unknown, or its option is missing or invalid
 */
export function squeezeScores(
  scores: readonly number[],
  column: string,
  method: Squeeze | undefined,
  { groups, epsilon }: { groups?: readonly string[]; epsilon: number },
): Squeezed {
  const outside = scores.findIndex((score) => score < 0 || score > 1);
  if (outside >= 0) {
    throw new StatisticsError(
      `column "${column}", row ${outside}: ${scores[outside]} is outside [0, 1]. ` +
        "A beta model needs scores in between: min-max transform them within each dataset and benchmark first.",
      column,
    );
  }
  const atBounds = scores.filter((score) => score === 0 || score === 1).length;
  const prefix = `${atBounds} of ${scores.length} scores were exactly 0 or 1;`;
  switch (method) {
    case undefined:
      if (atBounds > 0) throw missingMethod(column, atBounds);
      return { scores: [...scores], report: { method: "none", atBounds, summary: "Scores are used as they are." } };
    case "clamp":
      if (!(epsilon > 0 && epsilon < 0.5))
        throw new StatisticsError(`clampTo is ${epsilon}; it must lie between 0 and 0.5`);
      return {
        scores: scores.map((score) => Math.min(Math.max(score, epsilon), 1 - epsilon)),
        report: {
          method,
          atBounds,
          summary: `${prefix} scores below ${epsilon} or above ${1 - epsilon} were set there.`,
        },
      };
    case "smithson-verkuilen": {
      const n = scores.length;
      return {
        scores: scores.map((score) => shrink(score, n)),
        report: { method, atBounds, summary: `${prefix} every score y became (y · ${n - 1} + 0.5) / ${n}.` },
      };
    }
    case "smithson-verkuilen-by-group": {
      if (!groups)
        throw new StatisticsError(
          'squeeze "smithson-verkuilen-by-group" needs a grouping column: give squeezeBy, or a random term',
        );
      const { squeezed, sizes } = shrinkByGroup(scores, groups);
      const summary = `${prefix} every score y became (y (n - 1) + 0.5) / n with n, the rows of its group, ${sizes}.`;
      return { scores: squeezed, report: { method, atBounds, summary } };
    }
    default:
      throw new StatisticsError(`squeeze is ${JSON.stringify(method)}; use one of ${SQUEEZES.join(", ")}`);
  }
}

function missingMethod(column: string, atBounds: number): StatisticsError {
  return new StatisticsError(
    `column "${column}": ${atBounds} score${atBounds === 1 ? " is" : "s are"} exactly 0 or 1, ` +
      "which a beta distribution cannot take. " +
      `Choose a squeeze: ${SQUEEZES.map((name) => `"${name}"`).join(", ")}.`,
    column,
  );
}

/** @returns the squeezed scores, and the group sizes as text: "20" or "10 to 20" */
function shrinkByGroup(scores: readonly number[], groups: readonly string[]): { squeezed: number[]; sizes: string } {
  const sizes = new Map<string, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const range = [...new Set(sizes.values())].sort((a, b) => a - b);
  return {
    squeezed: scores.map((score, i) => shrink(score, sizes.get(groups[i])!)),
    sizes: range.length === 1 ? String(range[0]) : `${range[0]} to ${range[range.length - 1]}`,
  };
}

function shrink(score: number, n: number): number {
  return (score * (n - 1) + 0.5) / n;
}
