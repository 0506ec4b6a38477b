import { fitGam, type GamFit, type GamMethod } from "../stats/gam/fit";
import { armsOf, type Arm } from "./arms";
import { BENCHMARK_GROUPS, withSeeds, type BenchmarkGroup, type Observation } from "./observations";
import { StatisticsError } from "../data/errors";

/** Section 6's model of one benchmark group in one arm. */
export interface RatioFit {
  group: BenchmarkGroup;
  /** the factors that differ between arms, for example "tokens · lr 1e-4"; empty if there is a single arm */
  arm: string;
  normalizer?: string;
  variant?: string;
  /** rows of the group */
  rows: Observation[];
  /** null if the model could not be fitted */
  fit: GamFit | null;
  /** diagnosis of the fit, or the reason why there is none and what to add */
  summary: string;
}

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
  { weight = "w_p", method }: { weight?: "w_p" | "w"; method?: GamMethod } = {},
): RatioFit[] {
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
  const unfitted = { group, arm, ...factors, rows: groupRows, fit: null };
  if (groupRows.length === 0)
    return { ...unfitted, summary: `${subject}: there are no scores of such benchmarks. Add some.` };
  const benchmarkTerm = new Set(groupRows.map(({ b }) => b)).size > 1 ? " + factor(b)" : "";
  const formula = withSeeds(`score ~ te(${weight}, r, k = 3)${benchmarkTerm}`, groupRows, "factor(s)");
  try {
    const fit = fitGam(groupRows, { formula, method });
    return { ...unfitted, fit, summary: `${subject}: ${fit.diagnosis.messages.join(" ")}` };
  } catch (error) {
    if (!(error instanceof StatisticsError)) throw error;
    return { ...unfitted, summary: `${subject}: cannot be fitted. ${error.message}` };
  }
}
