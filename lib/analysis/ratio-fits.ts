import { fitGam, type GamFit, type GamMethod } from "../stats/gam/fit";
import { BENCHMARK_GROUPS, withSeeds, type BenchmarkGroup, type Observation } from "./observations";
import { StatisticsError } from "../data/errors";

/** Section 6's model of one benchmark group; `fit` is null where there is too little data for one. */
export interface RatioFit {
  group: BenchmarkGroup;
  rows: Observation[];
  fit: GamFit | null;
  /** what the fit is worth, or why there is none and what to add */
  summary: string;
}

/**
 * One additive model a benchmark group, of weight and generation ratio. A group that cannot be fitted says why.
 * @param options.weight the weight in the smooth: transformed ("w_p", which Table 4's values point to, the default) or PLW itself ("w")
 */
export function fitRatios(
  rows: readonly Observation[],
  { weight = "w_p", method }: { weight?: "w_p" | "w"; method?: GamMethod } = {},
): RatioFit[] {
  return (Object.keys(BENCHMARK_GROUPS) as BenchmarkGroup[]).map((group) => {
    const own = rows.filter(BENCHMARK_GROUPS[group]);
    if (own.length === 0)
      return { group, rows: own, fit: null, summary: `${group}: there are no scores of such benchmarks. Add some.` };
    const several = new Set(own.map(({ b }) => b)).size > 1;
    try {
      const fit = fitGam(own, {
        formula: withSeeds(`score ~ te(${weight}, r, k = 3)${several ? " + factor(b)" : ""}`, own, "factor(s)"),
        method,
      });
      return { group, rows: own, fit, summary: `${group}: ${fit.diagnosis.messages.join(" ")}` };
    } catch (error) {
      if (!(error instanceof StatisticsError)) throw error;
      return { group, rows: own, fit: null, summary: `${group}: cannot be fitted. ${error.message}` };
    }
  });
}
