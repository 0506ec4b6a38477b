import assert from "node:assert/strict";
import { test } from "node:test";
import { compareFits } from "../../lib/stats/beta-glmm/compare";
import { covarianceParameters, factorEntries } from "../../lib/stats/beta-glmm/covariance";
import { buildData } from "../../lib/stats/beta-glmm/data";
import { fitBetaGlmm, type BetaGlmmFit } from "../../lib/stats/beta-glmm/fit";
import { LaplaceLikelihood } from "../../lib/stats/beta-glmm/laplace";
import { parseFormula } from "../../lib/stats/formula";
import { squeezeScores, type Squeeze } from "../../lib/stats/squeeze";
import type { DataRow } from "../../lib/stats/data-rows";
import { needsShared } from "../support/shared";
import { close, closeEither, closeRelative, derivativesEqualDifferences, fixture, reference, toRows } from "./support";

interface Case {
  formula: string;
  rows: DataRow[];
  parameters: number[];
  standardErrors: number[];
  logLikelihood: number;
  aic: number;
  modes: number[];
  fitted: number[];
}

/** Asserts that a fit equals the expected one within tolerances, and is trustworthy. */
function assertFit(
  fit: BetaGlmmFit,
  expected: Pick<Case, "parameters" | "standardErrors" | "logLikelihood" | "modes" | "fitted">,
): void {
  close(fit.parameters.estimates, expected.parameters, 1e-5, "parameter");
  closeRelative(fit.parameters.standardErrors, expected.standardErrors, 1e-4, "standard error");
  close([fit.logLikelihood], [expected.logLikelihood], 1e-6, "log-likelihood");
  close(
    fit.modes.map(({ mode }) => mode),
    expected.modes,
    1e-5,
    "mode",
  );
  close(fit.fitted, expected.fitted, 1e-5, "fitted value");
  assert.equal(fit.diagnosis.trustworthy, true, fit.diagnosis.messages.join("\n"));
}

for (const name of ["glmm_default", "glmm_orthogonal", "glmm_factor", "glmm_three_slopes"]) {
  test(`equals glmmTMB: ${name}`, () => {
    const expected = fixture<Case>(name);
    const fit = fitBetaGlmm(expected.rows, { formula: expected.formula });
    assertFit(fit, expected);
    close([fit.aic], [expected.aic], 1e-5, "AIC");
    assert.deepEqual(fit.diagnosis.messages, ["Converged to a regular maximum."]);
  });
}

interface ReferenceFit {
  logLik: number;
  AIC: number;
  BIC: number;
  fixed: { estimate: number[]; se: number[]; z: number[]; p: number[] };
  wald_joint: { chisq: number; p: number };
  blup: { se_vector: number[] };
  population_curve: { w_p: number[]; mu: number[]; se_eta: number[] };
  polished?: {
    par: number[];
    se_par: number[];
    logLik: number;
    b_vector: number[];
    fitted: number[];
    phi: number;
    fixed: ReferenceFit["fixed"];
    wald_joint: ReferenceFit["wald_joint"];
    random: { sd_b: number[]; corr_b: number; sd_m: number };
  };
}
interface ReferenceCase {
  data: Record<string, unknown>;
  fits: Record<"raw" | "orthogonal", ReferenceFit>;
  null_model: { logLik: number; lrt_vs_raw: { chisq: number; df: number; p: number } };
  fits_reduced?: Record<string, ReferenceFit>;
  boundary_fits?: Record<"minus" | "plus", { logLik: number; par: number[] }>;
  squeeze_sensitivity?: Record<string, { beta: number[]; phi: number; logLik: number }>;
}
const FORMULAS = {
  raw: "score ~ pol(w_p,2) + (0 + pol(w_p,2) | b) + (1 | m)",
  orthogonal: "score ~ poly(w_p, 2) + (0 + poly(w_p, 2) | b) + (1 | m)",
};
const KINDS = ["raw", "orthogonal"] as const;

for (const name of ["glmm_base", "glmm_unbalanced", "glmm_minmax"]) {
  for (const kind of KINDS) {
    test(`equals the reference: ${name}, ${kind}`, needsShared("reference", "stats", "glmm", `${name}.json`), () => {
      const {
        data,
        fits: { [kind]: expected },
      } = reference<ReferenceCase>("glmm", `${name}.json`);
      const fit = fitBetaGlmm(toRows(data), { formula: FORMULAS[kind] });
      const optimum = expected.polished!;
      assertFit(fit, {
        parameters: optimum.par,
        standardErrors: optimum.se_par,
        logLikelihood: optimum.logLik,
        modes: optimum.b_vector,
        fitted: optimum.fitted,
      });
      closeRelative(
        fit.coefficients.map(({ z }) => z),
        optimum.fixed.z,
        1e-4,
        "z",
      );
      closeRelative(
        fit.coefficients.map(({ p }) => p),
        optimum.fixed.p,
        1e-2,
        "p",
      ); // p depends on exp(-z²/2), which amplifies the error of z
      closeRelative(
        [fit.waldTests[0].chiSquared, fit.phi],
        [optimum.wald_joint.chisq, optimum.phi],
        1e-4,
        "joint test, precision",
      );
      closeRelative([fit.aic, fit.bic], [expected.AIC, expected.BIC], 1e-6, "AIC, BIC");
      const [b, m] = fit.randomEffects;
      close(
        [...b.standardDeviations, b.correlation[0][1], ...m.standardDeviations],
        [...optimum.random.sd_b, optimum.random.corr_b, optimum.random.sd_m],
        1e-4,
        "random effects",
      );
      closeRelative(
        fit.modes.map(({ standardError }) => standardError),
        expected.blup.se_vector,
        1e-4,
        "standard error of mode",
      );
      const curve = fit.predict(expected.population_curve.w_p.map((w_p) => ({ w_p })));
      close(
        curve.map((point) => point.fit),
        expected.population_curve.mu,
        1e-5,
        "curve",
      );
      closeRelative(
        curve.map(({ standardError }) => standardError),
        expected.population_curve.se_eta,
        1e-4,
        "standard error of the curve",
      );
    });
  }
}

test(
  "the likelihood-ratio test equals the reference",
  needsShared("reference", "stats", "glmm", "glmm_base.json"),
  () => {
    const { data, null_model: expected } = reference<ReferenceCase>("glmm", "glmm_base.json");
    const rows = toRows(data);
    const test = compareFits(
      fitBetaGlmm(rows, { formula: "score ~ 1 + (0 + pol(w_p, 2) | b) + (1 | m)" }),
      fitBetaGlmm(rows, { formula: FORMULAS.raw }),
    );
    close([test.chiSquared, test.p], [expected.lrt_vs_raw.chisq, expected.lrt_vs_raw.p], 1e-5, "likelihood ratio");
    assert.equal(test.df, 2);
  },
);

// The singularities that the reference's description lists; the log-likelihood must not be lower than R's.
const SINGULAR = [
  { name: "glmm_singular", kind: "raw", singularities: ["zero variance (Intercept)"], reduced: "raw_without_m" },
  {
    name: "glmm_singular",
    kind: "orthogonal",
    singularities: ["perfect correlation poly(w_p, 2)1/poly(w_p, 2)2", "zero variance (Intercept)"],
    reduced: "orthogonal_without_m",
  },
  { name: "glmm_singular_nonpd", kind: "raw", singularities: ["zero variance (Intercept)"], reduced: "raw_without_m" },
  {
    name: "glmm_singular_nonpd",
    kind: "orthogonal",
    singularities: ["perfect correlation poly(w_p, 2)1/poly(w_p, 2)2", "zero variance (Intercept)"],
    reduced: "orthogonal_without_m",
  },
  {
    name: "glmm_singular_corr",
    kind: "raw",
    singularities: ["perfect correlation pol(w_p,2)1/pol(w_p,2)2"],
    reduced: undefined,
  },
  {
    name: "glmm_singular_corr",
    kind: "orthogonal",
    singularities: ["perfect correlation poly(w_p, 2)1/poly(w_p, 2)2"],
    reduced: undefined,
  },
] as const;
for (const { name, kind, singularities, reduced } of SINGULAR) {
  test(
    `a singular fit is diagnosed: ${name}, ${kind}`,
    needsShared("reference", "stats", "glmm", `${name}.json`),
    () => {
      const { data, fits, fits_reduced, boundary_fits } = reference<ReferenceCase>("glmm", `${name}.json`);
      const fit = fitBetaGlmm(toRows(data), { formula: FORMULAS[kind] });
      assert.ok(fit.logLikelihood >= fits[kind].logLik - 1e-4, `${fit.logLikelihood}, R ${fits[kind].logLik}`);
      assert.equal(fit.diagnosis.trustworthy, false);
      assert.deepEqual(
        fit.diagnosis.singularities.map(({ kind, coefficients }) => `${kind} ${coefficients.join("/")}`),
        singularities,
      );
      for (const { summary } of fit.diagnosis.singularities) assert.match(summary, /went to (zero|[+-]1)/);
      const limit = fit.diagnosis.reduced!;
      assert.equal(limit.df, fit.df - singularities.length);
      assert.ok(limit.coefficients.every(({ standardError }) => standardError! > 0 && standardError! < 10));
      if (reduced) {
        // R's reduced model only omits (1 | m); if the correlation is at its limit too, so is R's estimate of it
        const expected = fits_reduced![reduced];
        close([limit.logLikelihood], [expected.logLik], 1e-4, "reduced log-likelihood");
        close(
          limit.coefficients.map(({ estimate }) => estimate),
          expected.fixed.estimate,
          2e-3,
          "reduced coefficient",
        );
        closeRelative(
          limit.coefficients.map(({ standardError }) => standardError),
          expected.fixed.se,
          2e-3,
          "reduced standard error",
        );
      } else if (kind === "raw") {
        close([limit.logLikelihood], [boundary_fits!.minus.logLik], 1e-5, "log-likelihood at a correlation of -1");
        close(
          limit.coefficients.map(({ estimate }) => estimate),
          boundary_fits!.minus.par.slice(0, 3),
          1e-3,
          "coefficient at a correlation of -1",
        );
      }
    },
  );
}

const SQUEEZED: { name: string; squeeze: Squeeze; clampTo?: number }[] = [
  { name: "smithson_verkuilen_n260", squeeze: "smithson-verkuilen" },
  { name: "smithson_verkuilen_n20_per_benchmark", squeeze: "smithson-verkuilen-by-group" },
  { name: "clamp_1e-2", squeeze: "clamp", clampTo: 1e-2 },
  { name: "clamp_1e-4", squeeze: "clamp", clampTo: 1e-4 },
];
for (const { name, ...options } of SQUEEZED) {
  test(
    `a fit to squeezed scores equals the reference: ${name}`,
    needsShared("reference", "stats", "glmm", "glmm_minmax.json"),
    () => {
      const { data, squeeze_sensitivity } = reference<ReferenceCase>("glmm", "glmm_minmax.json");
      const expected = squeeze_sensitivity![name];
      const fit = fitBetaGlmm(toRows({ ...data, score: data.score_minmax }), options);
      close(
        fit.coefficients.map(({ estimate }) => estimate),
        expected.beta,
        1e-4,
        "coefficient",
      );
      close([fit.logLikelihood, fit.phi], [expected.logLik, expected.phi], 1e-4, "log-likelihood, precision");
      assert.equal(fit.squeeze.atBounds, 26);
      assert.match(fit.squeeze.summary, /26 of 260 scores were exactly 0 or 1/);
    },
  );
}

test("squeezes equal values computed by hand", () => {
  const scores = [0, 0.5, 1, 1];
  const options = { groups: ["a", "a", "b", "b"], epsilon: 0.01 };
  assert.deepEqual(squeezeScores(scores, "y", "smithson-verkuilen", options).scores, [0.125, 0.5, 0.875, 0.875]);
  assert.deepEqual(squeezeScores(scores, "y", "smithson-verkuilen-by-group", options).scores, [0.25, 0.5, 0.75, 0.75]);
  assert.deepEqual(squeezeScores(scores, "y", "clamp", options).scores, [0.01, 0.5, 0.99, 0.99]);
});

const dataOf = (rows: Case["rows"], formula: string) =>
  buildData(
    rows,
    parseFormula(formula),
    rows.map(({ score }) => score as number),
  );

for (const formula of [
  FORMULAS.raw,
  FORMULAS.orthogonal,
  "score ~ w_p + factor(m) + (1 + pol(w_p, 2) | b)",
  "score ~ 0 + factor(b) + w_p",
  "score ~ w_p + (1 + w_p | b) + (0 + w_p | m)",
]) {
  test(`derivatives of the likelihood and of the modes equal central differences: ${formula}`, () => {
    const data = dataOf(fixture<Case>("glmm_default").rows, formula);
    const likelihood = new LaplaceLikelihood(data);
    for (const scale of [0.3, 0.9]) {
      const at = Array.from({ length: data.parameters }, (_, i) => scale * Math.sin(3 * i + 1));
      const { modesByParameters } = likelihood.evaluate(at);
      derivativesEqualDifferences(
        (x) => likelihood.evaluate(x),
        at,
        1e-3,
        (j, difference) =>
          closeEither(
            modesByParameters.map((row) => row[j]),
            modesByParameters.map((_, i) => difference((point) => point.modes[i])),
            1e-7,
            "derivative of a mode",
          ),
      );
    }
  });
}

test("by the covariance factor, derivatives equal central differences at a variance of zero and a correlation of -1", () => {
  const { rows, parameters } = fixture<Case>("glmm_default");
  const likelihood = new LaplaceLikelihood(dataOf(rows, FORMULAS.raw));
  // coefficients, log φ, the factor of the correlated slopes row by row, the standard deviation over m
  const at = [...parameters.slice(0, 4), 1.2, -0.9, 0, 0];
  // the truncation of the differences is 2e-7 at 1e-3, and their rounding 1e-7 at 2.5e-4
  derivativesEqualDifferences((x) => likelihood.evaluateFactors(x), at, 6e-4);
});

test("covariance parameters give back the factor up to the signs of its columns", () => {
  const entries = [1.2, 0.7, -0.4, -0.3, 0.9, 2];
  const flipped = [1.2, 0.7, 0.4, -0.3, -0.9, 2];
  close(
    factorEntries(covarianceParameters(entries, 3), 3).map(({ value }) => value),
    flipped,
    1e-14,
    "entry of the factor",
  );
  assert.deepEqual(covarianceParameters([0, 0, 0], 2), [-Infinity, -Infinity, 0]);
});

test("the likelihood does not depend on the previous modes", () => {
  const { rows, parameters } = fixture<Case>("glmm_default");
  const likelihood = new LaplaceLikelihood(dataOf(rows, FORMULAS.raw));
  const first = likelihood.evaluate(parameters);
  likelihood.evaluate(parameters.map((x) => x + 1.5));
  close([likelihood.evaluate(parameters).value], [first.value], 1e-9, "value");
});

test("predictions for an average group and for a given group", () => {
  const { rows, formula } = fixture<Case>("glmm_default");
  const fit = fitBetaGlmm(rows, { formula });
  close(
    fit.predict(rows, { randomEffects: true }).map((point) => point.fit),
    fit.fitted,
    1e-12,
    "prediction at the modes",
  );
  close(
    fit.predict(rows).map((point) => point.fit),
    fit.populationFitted,
    1e-12,
    "population prediction",
  );
  const [point] = fit.predict([{ w_p: 0.5 }], { level: 0.9 });
  const logit = (p: number): number => Math.log(p / (1 - p));
  close(
    [logit(point.upper!) - logit(point.lower!)],
    [2 * 1.6448536269514722 * point.standardError!],
    1e-10,
    "width of the interval",
  );
  assert.throws(
    () => fit.predict([{ w_p: 0.5, b: "bench9", m: "model1" }], { randomEffects: true }),
    /column "b", row 0: "bench9" is not among the levels of the fit: bench1/,
  );
  assert.throws(() => fit.predict([{ w: 0.5 }]), /column "w_p"/);
});
