import { correlationIndex } from "./covariance";
import type { BetaGlmmData, RandomDesign } from "./data";
import { covarianceOf, estimate, type Estimate, type Held } from "./estimate";

/** A covariance parameter of the random effects that the data cannot distinguish from its limit. */
export interface Singularity {
  kind: "zero variance" | "perfect correlation" | "one level";
  /** label of the random term, such as "(1 | m)" */
  term: string;
  /** grouping column */
  group: string;
  /** the coefficient without variance, the two that are correlated, or all of a term with one level */
  coefficients: string[];
  /** estimated standard deviation or correlation; null for one level */
  estimate: number | null;
  summary: string;
}

/** A coefficient whose effect on the linear predictor has a smaller standard deviation may have zero variance. */
const SMALL_DEVIATION = 0.05;
/** A larger absolute correlation may be perfect. */
const LARGE_CORRELATION = 0.99;
/** A parameter counts as at its limit if holding it there lowers the log-likelihood by at most this. */
const NEGLIGIBLE = 0.005;

/**
 * Finds random terms with a single level and holds their variance at zero.
 *
 * @returns one `held` entry per parameter, and one singularity per such term
 */
export function holdSingleLevels(data: BetaGlmmData): { held: Held; singularities: Singularity[] } {
  let held: Held = new Array<number | null>(data.parameters).fill(null);
  const singularities: Singularity[] = [];
  for (const design of data.random.filter(({ levels }) => levels.length < 2)) {
    const { term, levels, names } = design;
    for (let k = 0; k < design.size; k++) held = withoutCoefficient(held, design, k);
    singularities.push({
      kind: "one level",
      term: term.label,
      group: term.group,
      coefficients: names,
      estimate: null,
      summary:
        `Column "${term.group}" has the single level "${levels[0]}", ` +
        `so the variance of ${term.label} cannot be estimated. It is left out; ` +
        `add rows of at least one more ${term.group}, better several, or take ${term.label} out of the formula.`,
    });
  }
  return { held, singularities };
}

/**
 * Finds small standard deviations and large correlations that are at their limits. Candidates are tried in order: each
 * is held at its limit, in addition to those before it, if the log-likelihood of the refitted model is at most 0.005
 * below that of the full model.
 *
 * @param optimum of the full model
 * @param initial parameters held in the full model
 * @returns the singularities; the parameters held in the reduced model; its optimum, or null without singularities
 */
export function findSingularities(
  data: BetaGlmmData,
  optimum: Estimate,
  initial: Held,
): { singularities: Singularity[]; held: Held; reduced: Estimate | null } {
  const singularities: Singularity[] = [];
  let held = initial;
  let reduced: Estimate | null = null;
  const confirm = (candidate: Held): boolean => {
    const start = (reduced ?? optimum).parameters;
    const limit = estimate(data, candidate, [start]);
    if (limit.logLikelihood < optimum.logLikelihood - NEGLIGIBLE) return false;
    held = candidate;
    reduced = limit;
    return true;
  };
  for (const [t, { sd, correlation }] of covarianceOf(data, optimum.parameters).entries()) {
    const design = data.random[t];
    const { term, names, size } = design;
    const common = { term: term.label, group: term.group };
    for (let k = 0; k < size; k++) {
      if (held[design.parameterOffset + k] !== null) continue;
      const typical = Math.sqrt(design.z.reduce((sum, row) => sum + row[k] ** 2, 0) / design.z.length);
      if (sd[k] * typical > SMALL_DEVIATION || !confirm(withoutCoefficient(held, design, k))) continue;
      singularities.push({
        kind: "zero variance",
        ...common,
        coefficients: [names[k]],
        estimate: sd[k],
        summary:
          `The variance of ${names[k]} over ${term.group} in ${term.label} went to zero ` +
          `(standard deviation ${sd[k].toPrecision(2)}): ` +
          `the data show no difference in it between the levels of "${term.group}" beyond the noise.`,
      });
    }
    for (let row = 1; row < size; row++) {
      for (let column = 0; column < row; column++) {
        const index = design.parameterOffset + correlationIndex(size, row, column);
        const r = correlation[row][column];
        if (held[index] !== null || Math.abs(r) < LARGE_CORRELATION) continue;
        // with more than two coefficients, a correlation of ±1 does not correspond to a single parameter at a limit
        const candidate = size === 2 ? held.map((value, i) => (i === index ? Math.sign(r) * 1e8 : value)) : held;
        if (!confirm(candidate)) continue;
        singularities.push({
          kind: "perfect correlation",
          ...common,
          coefficients: [names[column], names[row]],
          estimate: r,
          summary:
            `The correlation of ${names[column]} and ${names[row]} over ${term.group} in ${term.label} ` +
            `went to ${r > 0 ? "+1" : "-1"} (${r.toFixed(5)}): ` +
            `${design.levels.length} levels of "${term.group}" cannot tell two separate slopes; ` +
            "they vary along one line.",
        });
      }
    }
  }
  return { singularities, held, reduced };
}

/** Holds a coefficient's standard deviation and correlations at zero. */
function withoutCoefficient(held: Held, { parameterOffset, size }: RandomDesign, coefficient: number): Held {
  const result = [...held];
  result[parameterOffset + coefficient] = -Infinity;
  for (let other = 0; other < size; other++) {
    if (other === coefficient) continue;
    result[parameterOffset + correlationIndex(size, Math.max(coefficient, other), Math.min(coefficient, other))] = 0;
  }
  return result;
}
