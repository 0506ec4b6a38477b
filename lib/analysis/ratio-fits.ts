import { oneOf } from "../data/validate";
import { checkOptions } from "../data/arguments";
import { checkRowsOf } from "./row-schemas";
import { fitGam, type GamFit, type GamMethod } from "../stats/gam/fit";
import { formatP } from "../stats/p-value";
import { armsOf, type Arm, type ArmFactors } from "./arms";
import { assess, describeDoubts, doubtEnds, doubtSize, type Assessment, type Doubt } from "./assessment";
import { BENCHMARK_GROUPS, withSeeds, type BenchmarkGroup, type Observation } from "./observations";
import { StatisticsError } from "../data/errors";

/** Section 6's model of one benchmark group in one arm. */
export interface RatioFit extends Assessment, ArmFactors {
  group: BenchmarkGroup;
  /** the factors that differ between arms, for example "tokens · lr 1e-4"; empty if there is a single arm */
  arm: string;
  /** rows of the group */
  rows: Observation[];
  /** null if the model could not be fitted */
  fit: GamFit | null;
  /** reasons to doubt the fit and its diagnosis, or the reason why there is none and what to add */
  summary: string;
}

/** Number of basis functions of each margin of the surface, the paper's k. */
const BASIS = 3;

/**
 * Fits one additive model of PLW and generation ratio per arm and benchmark group:
 * `score ~ te(weight, r, k = 3) + factor(b)`, without factor(b) for a single benchmark, and with factor(s) for several
 * seeds. If a group cannot be fitted, its `summary` says why.
 *
 * @param options `weight`: column of the smooth: the transformed weight "w_p" (default; Table 4's values suggest it) or
 *   PLW "w"; `method`: default "GCV"
 * @returns arms in the order of first appearance, and All, MC and Gen within each
 */
export function fitRatios(
  rows: readonly Observation[],
  options: { weight?: "w_p" | "w"; method?: GamMethod } = {},
): RatioFit[] {
  const { weight = "w_p", method } = checkOptions(
    "fitRatios",
    options,
    { weight: oneOf(["w_p", "w"]), method: oneOf<GamMethod>(["GCV", "REML"]) },
    { ErrorClass: StatisticsError },
  );
  checkRowsOf("fitRatios", "observation", rows);
  const arms = rows.length > 0 ? armsOf(rows) : [{ name: "", rows: [] }];
  return arms.flatMap((arm) =>
    (Object.keys(BENCHMARK_GROUPS) as BenchmarkGroup[]).map((group) => fitGroup(arm, group, weight, method)),
  );
}

function fitGroup(
  { name: arm, rows, ...factors }: Arm<Observation>,
  group: BenchmarkGroup,
  weight: "w_p" | "w",
  method: GamMethod | undefined,
): RatioFit {
  const groupRows = rows.filter(BENCHMARK_GROUPS[group]);
  const subject = arm === "" ? group : `${group} (${arm})`;
  const unfitted: Omit<RatioFit, "summary"> = {
    group,
    arm,
    ...factors,
    rows: groupRows,
    fit: null,
    trust: "not to be trusted",
    reasons: ["there is no fit"],
  };
  if (groupRows.length === 0)
    return { ...unfitted, summary: `${subject}: there are no scores of such benchmarks. Add some.` };
  const benchmarkTerm = new Set(groupRows.map(({ b }) => b)).size > 1 ? " + factor(b)" : "";
  const formula = withSeeds(`score ~ te(${weight}, r, k = ${BASIS})${benchmarkTerm}`, groupRows, "factor(s)");
  try {
    const fit = fitGam(groupRows, { formula, method });
    const assessment = assess(doubtSurface(fit, groupRows));
    const parts = [describeDoubts(assessment), ...fit.diagnosis.messages].filter((part) => part !== "");
    return { ...unfitted, fit, ...assessment, summary: `${subject}: ${parts.join(" ")}` };
  } catch (error) {
    if (!(error instanceof StatisticsError)) throw error;
    return { ...unfitted, summary: `${subject}: cannot be fitted. ${error.message}` };
  }
}

/** Doubts a fitted surface: its data, how the fit ended, and whether there is a surface at all. */
function doubtSurface(
  { rows: count, edf, smooths: [surface], diagnosis }: GamFit,
  rows: readonly Observation[],
): Doubt[] {
  const grave = (reason: string): Doubt => ({ trust: "not to be trusted", reason });
  const saturated = (name: string, values: readonly unknown[]): Doubt[] => {
    const count = new Set(values).size;
    return count > BASIS
      ? []
      : [grave(`only ${count} ${name}, whose mean scores a surface with k = ${BASIS} fits exactly`)];
  };
  return [
    ...doubtEnds(rows.filter(({ score }) => score === 0 || score === 1).length, count),
    ...saturated(
      "PLWs",
      rows.map(({ w }) => w),
    ),
    ...saturated(
      "generation ratios",
      rows.map(({ r }) => r),
    ),
    ...doubtSize(count, edf),
    ...(diagnosis.converged ? [] : [grave("the search for the smoothing parameters did not converge")]),
    ...(surface.p < 0.05 ? [] : [grave(`the surface cannot be told from a flat one (${formatP(surface.p)})`)]),
  ];
}
