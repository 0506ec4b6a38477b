import { rule, text } from "../data/validate";
import { checkOptions, checkRows, anObject } from "../data/arguments";
import { normalQuantile } from "../stats/distributions";
import type { BetaGlmmFit } from "../stats/beta-glmm/fit";
import type { DesignTerm } from "../stats/design";
import { quadraticForm, type Rows } from "../stats/linear-algebra";
import { untransformWeight, type Weight } from "../data/prompt-loss-weight";
import { StatisticsError } from "../data/errors";

/** A level of confidence. */
const LEVEL = rule("a number between 0 and 1", (value) => (value as number) > 0 && (value as number) < 1);

/** The critical weight λ (§3, §5.2). */
export interface CriticalWeight {
  /** weight in [0, 1] with the highest predicted score */
  lambda: Weight;
  /**
   * vertex of the fitted quadratic on the scale of w_p; null for a straight line. Outside [0, 1], λ is the nearer end.
   */
  vertex: number | null;
  shape: "maximum" | "minimum";
  /** confidence set for a maximum, within [0, 1]; null if the data do not bound it */
  interval: { lower: Weight; upper: Weight } | null;
  /** predicted score at λ for an average benchmark and model, in (0, 1); null if there are other fixed terms */
  score: number | null;
  /** name of the confidence set */
  method: string;
  summary: string;
}

/** The fitted curve β₁ w_p + β₂ w_p², with the covariance of its coefficients. */
interface Quadratic {
  /** β₁ */
  linear: number;
  /** β₂ */
  quadratic: number;
  varianceLinear: number;
  varianceQuadratic: number;
  /** cov(β₁, β₂) */
  covariance: number;
}

/**
 * Computes λ from a fit with a quadratic of the transformed weight, with Fieller's confidence set: all weights at which
 * the fitted slope β₁ + 2 β₂ w_p does not differ significantly from zero. For a singular fit, the reduced model is
 * used.
 *
 * @param given a fit with `pol(column, 2)` or `poly(column, 2)`
 * @param options `column`: name of the transformed weight; default "w_p"; `level`: confidence level; default 0.95
 * @throws {StatisticsError} if the fit has no quadratic of `column`, or no standard errors
 */
export function criticalWeight(given: BetaGlmmFit, options: { column?: string; level?: number } = {}): CriticalWeight {
  const { column = "w_p", level = 0.95 } = checkOptions(
    "criticalWeight",
    options,
    { column: text, level: LEVEL },
    { ErrorClass: StatisticsError },
  );
  checkRows("criticalWeight: fit", [given], { diagnosis: anObject, parameters: anObject });
  const fit = given.diagnosis.reduced ?? given;
  const term = fit.terms.find(({ polynomial }) => polynomial?.column === column);
  if (term?.columns.length !== 2)
    throw new StatisticsError(
      `criticalWeight: "${fit.formula}" has no quadratic of "${column}"; put pol(${column}, 2) into the formula`,
      column,
    );
  const { covariance, estimates } = fit.parameters;
  if (!covariance)
    throw new StatisticsError("criticalWeight: the fit has no standard errors. Simplify its random terms first.");
  const curve = powerCoefficients(term, estimates, covariance);
  const { linear, quadratic } = curve;
  const shape = quadratic < 0 ? "maximum" : "minimum";
  const vertex = quadratic === 0 ? null : -linear / (2 * quadratic);
  const higherEnd = linear + quadratic >= 0 ? 1 : 0;
  const best = shape === "maximum" ? Math.min(1, Math.max(0, vertex!)) : higherEnd;
  const interval = shape === "maximum" ? fiellerInterval(curve, level) : null;
  const lambda = weightAt(best);
  const onlyTerm = fit.terms.every((other) => other === term || other.label === "(Intercept)");
  const percent = `${Number((100 * level).toFixed(6))} %`;
  const reduced = given.diagnosis.reduced ? ", of the reduced model, since the full one is singular" : "";
  const certainty = interval
    ? `${percent} interval ${interval.lower.plw.toFixed(3)} to ${interval.upper.plw.toFixed(3)}.`
    : "The data do not bound it: the curvature is not significantly negative.";
  return {
    lambda,
    vertex,
    shape,
    interval,
    score: onlyTerm ? fit.predict([{ [column]: best }])[0].fit : null,
    method: `Fieller's ${percent} confidence set for the zero of the slope, cut to [0, 1]${reduced}`,
    summary: `${describeOptimum(shape, lambda, vertex)} ${certainty}`,
  };
}

/** Converts the estimated coefficients of a polynomial term, raw or orthogonal, to those of w_p and w_p². */
function powerCoefficients(term: DesignTerm, estimates: readonly number[], covariance: Rows): Quadratic {
  // each power's coefficient is a linear combination of the estimated ones
  const [byLinear, byQuadratic] = [1, 2].map((power) =>
    term.polynomial!.basis.monomials.map((monomial) => monomial[power]),
  );
  const block = term.columns.map((i) => term.columns.map((j) => covariance[i][j]));
  const combine = (factors: readonly number[]): number =>
    factors.reduce((sum, factor, j) => sum + factor * estimates[term.columns[j]], 0);
  const bySum = byLinear.map((value, j) => value + byQuadratic[j]);
  const varianceLinear = quadraticForm(block, byLinear);
  const varianceQuadratic = quadraticForm(block, byQuadratic);
  return {
    linear: combine(byLinear),
    quadratic: combine(byQuadratic),
    varianceLinear,
    varianceQuadratic,
    covariance: (quadraticForm(block, bySum) - varianceLinear - varianceQuadratic) / 2,
  };
}

/**
 * Fieller's confidence set for the zero of the slope, clipped to [0, 1]: the solutions of
 * (β₁ + 2 β₂ w)² ≤ z² var(β₁ + 2 β₂ w), that is a w² + b w + c ≤ 0.
 *
 * @returns null if the set is not an interval, which is the case unless β₂ differs significantly from zero
 */
function fiellerInterval(
  { linear, quadratic, varianceLinear, varianceQuadratic, covariance }: Quadratic,
  level: number,
): CriticalWeight["interval"] {
  const z2 = normalQuantile((1 + level) / 2) ** 2;
  const a = 4 * (quadratic ** 2 - z2 * varianceQuadratic);
  const b = 4 * (linear * quadratic - z2 * covariance);
  const c = linear ** 2 - z2 * varianceLinear;
  const discriminant = b * b - 4 * a * c;
  if (!(a > 0 && discriminant >= 0)) return null;
  const clip = (w: number): Weight => weightAt(Math.min(1, Math.max(0, w)));
  return {
    lower: clip((-b - Math.sqrt(discriminant)) / (2 * a)),
    upper: clip((-b + Math.sqrt(discriminant)) / (2 * a)),
  };
}

function describeOptimum(shape: CriticalWeight["shape"], lambda: Weight, vertex: number | null): string {
  if (shape === "minimum")
    return `The fitted curve opens upwards, so there is no inner maximum: the higher end of [0, 1] is ${lambda.plw}.`;
  const end =
    lambda.transformed === vertex ? "" : `, an end of [0, 1] (the curve turns at w_p = ${vertex!.toFixed(3)})`;
  const position = `w_p = ${lambda.transformed.toFixed(3)}, that is λ = ${lambda.plw.toFixed(3)}`;
  return `The predicted score is highest at ${position}${end}.`;
}

function weightAt(transformed: number): Weight {
  return { plw: untransformWeight(transformed), transformed };
}
