import { normalQuantile } from "../stats/distributions";
import type { BetaGlmmFit } from "../stats/beta-glmm/fit";
import { quadraticForm } from "../stats/linear-algebra";
import { untransformWeight, type Weight } from "../data/prompt-loss-weight";
import { StatisticsError } from "../data/errors";

/** The critical weight λ (§3, §5.2). */
export interface CriticalWeight {
  /** The weight in [0, 1] with the highest predicted score. */
  lambda: Weight;
  /** Where the fitted quadratic turns, on the scale of w_p; outside [0, 1] λ is at the nearer end. Null for a straight line. */
  vertex: number | null;
  shape: "maximum" | "minimum";
  /** Confidence set for a maximum, within [0, 1]; null where the data do not bound it. */
  interval: { lower: Weight; upper: Weight } | null;
  /** Predicted score at λ for an average benchmark and model; null where the fixed part has other terms too. */
  score: number | null;
  method: string;
  summary: string;
}

/**
 * λ of a fit with a quadratic of the transformed weight, with Fieller's interval: all weights at which the fitted slope
 * β₁ + 2 β₂ w_p is not significantly different from zero. Of a singular fit, the reduced model is used.
 *
 * @throws StatisticsError for a fit without a quadratic of `column`, or without standard errors
 */
export function criticalWeight(
  given: BetaGlmmFit,
  { column = "w_p", level = 0.95 }: { column?: string; level?: number } = {},
): CriticalWeight {
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
  // by powers of the column: linear and quadratic coefficient as combinations of the two that were estimated
  const [byLinear, byQuadratic] = [1, 2].map((power) =>
    term.polynomial!.basis.monomials.map((monomial) => monomial[power]),
  );
  const own = term.columns.map((i) => term.columns.map((j) => covariance[i][j]));
  const combine = (weights: readonly number[]): number =>
    weights.reduce((sum, weight, j) => sum + weight * estimates[term.columns[j]], 0);
  const [linear, quadratic] = [combine(byLinear), combine(byQuadratic)];
  const varianceLinear = quadraticForm(own, byLinear);
  const varianceQuadratic = quadraticForm(own, byQuadratic);
  const crossed =
    (quadraticForm(
      own,
      byLinear.map((value, j) => value + byQuadratic[j]),
    ) -
      varianceLinear -
      varianceQuadratic) /
    2;

  const shape = quadratic < 0 ? "maximum" : "minimum";
  const vertex = quadratic === 0 ? null : -linear / (2 * quadratic);
  const height = (w: number): number => linear * w + quadratic * w * w;
  const best = shape === "maximum" ? Math.min(1, Math.max(0, vertex!)) : height(1) >= 0 ? 1 : 0;
  const z2 = normalQuantile((1 + level) / 2) ** 2;
  const a = 4 * (quadratic ** 2 - z2 * varianceQuadratic);
  const b = 4 * (linear * quadratic - z2 * crossed);
  const c = linear ** 2 - z2 * varianceLinear;
  const discriminant = b * b - 4 * a * c;
  const bounded = shape === "maximum" && a > 0 && discriminant >= 0;
  const clip = (w: number): Weight => weightAt(Math.min(1, Math.max(0, w)));
  const interval = bounded
    ? { lower: clip((-b - Math.sqrt(discriminant)) / (2 * a)), upper: clip((-b + Math.sqrt(discriminant)) / (2 * a)) }
    : null;
  const lambda = weightAt(best);
  const alone = fit.terms.every((one) => one === term || one.label === "(Intercept)");
  const percent = `${Number((100 * level).toFixed(6))} %`;
  const where =
    shape === "minimum"
      ? `The fitted curve opens upwards, so there is no inner maximum: the higher end of [0, 1] is ${lambda.plw}.`
      : `The predicted score is highest at w_p = ${best.toFixed(3)}, that is λ = ${lambda.plw.toFixed(3)}${best === vertex ? "" : `, an end of [0, 1] (the curve turns at w_p = ${vertex!.toFixed(3)})`}.`;
  const certainty = interval
    ? ` ${percent} interval ${interval.lower.plw.toFixed(3)} to ${interval.upper.plw.toFixed(3)}.`
    : " The data do not bound it: the curvature is not significantly negative.";
  return {
    lambda,
    vertex,
    shape,
    interval,
    score: alone ? fit.predict([{ [column]: best }])[0].fit : null,
    method: `Fieller's ${percent} confidence set for the zero of the slope, cut to [0, 1]${given.diagnosis.reduced ? ", of the reduced model, since the full one is singular" : ""}`,
    summary: where + certainty,
  };
}

function weightAt(transformed: number): Weight {
  return { plw: untransformWeight(transformed), transformed };
}
