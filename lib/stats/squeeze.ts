import { StatisticsError } from "../data/errors";

/**
 * How scores of exactly 0 and 1, which a beta distribution cannot take, are moved inwards. The paper names no way.
 * - `smithson-verkuilen`: (y (n - 1) + 1/2) / n with n the number of rows (Smithson & Verkuilen 2006)
 * - `smithson-verkuilen-by-group`: the same with n the number of rows of the score's group
 * - `clamp`: into [ε, 1 - ε], other scores as they are
 */
export type Squeeze = "smithson-verkuilen" | "smithson-verkuilen-by-group" | "clamp";

export const SQUEEZES: readonly Squeeze[] = Object.freeze([
  "smithson-verkuilen",
  "smithson-verkuilen-by-group",
  "clamp",
] as const);

/** What was done to the scores, to be shown with the fit. */
export interface SqueezeReport {
  method: Squeeze | "none";
  /** Scores that were exactly 0 or 1. */
  atBounds: number;
  summary: string;
}

/**
 * @param scores in [0, 1]
 * @param groups one a score, for `smithson-verkuilen-by-group`
 * @throws StatisticsError for scores outside [0, 1], and for exact 0 or 1 without a method
 */
export function squeezeScores(
  scores: readonly number[],
  column: string,
  method: Squeeze | undefined,
  { groups, epsilon }: { groups?: readonly string[]; epsilon: number },
): { scores: number[]; report: SqueezeReport } {
  const outside = scores.findIndex((score) => score < 0 || score > 1);
  if (outside >= 0) {
    throw new StatisticsError(
      `column "${column}", row ${outside}: ${scores[outside]} is outside [0, 1]. A beta model needs scores in between: ` +
        "min-max transform them within each dataset and benchmark first.",
      column,
    );
  }
  const atBounds = scores.filter((score) => score === 0 || score === 1).length;
  if (method === undefined) {
    if (atBounds === 0)
      return { scores: [...scores], report: { method: "none", atBounds, summary: "Scores are used as they are." } };
    throw new StatisticsError(
      `column "${column}": ${atBounds} score${atBounds === 1 ? " is" : "s are"} exactly 0 or 1, which a beta distribution cannot take. ` +
        `Choose a squeeze: ${SQUEEZES.map((name) => `"${name}"`).join(", ")}.`,
      column,
    );
  }
  const seen = `${atBounds} of ${scores.length} scores were exactly 0 or 1;`;
  if (method === "clamp") {
    if (!(epsilon > 0 && epsilon < 0.5))
      throw new StatisticsError(`clampTo is ${epsilon}; it must lie between 0 and 0.5`);
    return {
      scores: scores.map((score) => Math.min(Math.max(score, epsilon), 1 - epsilon)),
      report: { method, atBounds, summary: `${seen} scores below ${epsilon} or above ${1 - epsilon} were set there.` },
    };
  }
  if (method === "smithson-verkuilen") {
    const n = scores.length;
    return {
      scores: scores.map((score) => shrink(score, n)),
      report: { method, atBounds, summary: `${seen} every score y became (y · ${n - 1} + 0.5) / ${n}.` },
    };
  }
  if (method !== "smithson-verkuilen-by-group")
    throw new StatisticsError(`squeeze is ${JSON.stringify(method)}; there are ${SQUEEZES.join(", ")}`);
  if (!groups)
    throw new StatisticsError(
      'squeeze "smithson-verkuilen-by-group" needs a grouping column: give squeezeBy, or a random term',
    );
  const sizes = new Map<string, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const range = [...new Set(sizes.values())].sort((a, b) => a - b);
  return {
    scores: scores.map((score, i) => shrink(score, sizes.get(groups[i])!)),
    report: {
      method,
      atBounds,
      summary: `${seen} every score y became (y (n - 1) + 0.5) / n with n, the rows of its group, ${range.length === 1 ? range[0] : `${range[0]} to ${range[range.length - 1]}`}.`,
    },
  };
}

function shrink(score: number, n: number): number {
  return (score * (n - 1) + 0.5) / n;
}
