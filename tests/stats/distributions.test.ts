import { test } from "node:test";
import { mixtureAboveZero } from "../../lib/stats/chi-squared-mixture";
import {
  betaLower,
  binomialTwoSided,
  chiSquaredUpper,
  fUpper,
  kolmogorovUpper,
  normalQuantile,
  normalTwoSided,
  studentTwoSided,
} from "../../lib/stats/distributions";
import { GAMMA_DERIVATIVES, logGamma, logGammaDerivatives } from "../../lib/stats/special";
import { close, closeEither, closeRelative, fixture } from "./support";

interface Expected {
  gamma: { x: number[]; logGamma: number[]; derivatives: number[][] };
  normal: { z: number[]; twoSided: number[]; probability: number[]; quantile: number[] };
  chiSquared: { x: number[]; df: number[]; upper: number[] };
  student: { t: number[]; df: number[]; twoSided: number[] };
  f: { f: number[]; df1: number[]; df2: number[]; upper: number[] };
  beta: { y: number[]; a: number[]; b: number[]; lower: number[] };
  kolmogorov: { d: number[]; n: number; upper: number[] };
  binomial: { count: number[]; trials: number; probability: number; twoSided: number[] };
  mixture: { weights: number[]; statistic: number[]; upper: number[] };
}

test("tail areas and quantiles equal R's, including the smallest ones", () => {
  const { normal, chiSquared, student, f, beta, binomial } = fixture<Expected>("distributions");
  closeRelative(normal.z.map(normalTwoSided), normal.twoSided, 1e-12, "normal");
  closeRelative(normal.probability.map(normalQuantile), normal.quantile, 1e-12, "normal quantile");
  closeRelative(
    chiSquared.x.map((x, i) => chiSquaredUpper(x, chiSquared.df[i])),
    chiSquared.upper,
    1e-11,
    "χ²",
  );
  closeRelative(
    student.t.map((t, i) => studentTwoSided(t, student.df[i])),
    student.twoSided,
    1e-11,
    "t",
  );
  closeRelative(
    f.f.map((value, i) => fUpper(value, f.df1[i], f.df2[i])),
    f.upper,
    1e-11,
    "F",
  );
  closeRelative(
    beta.y.map((y, i) => betaLower(y, beta.a[i], beta.b[i])),
    beta.lower,
    1e-11,
    "beta",
  );
  closeRelative(
    binomial.count.map((count) => binomialTwoSided(count, binomial.trials, binomial.probability)),
    binomial.twoSided,
    1e-10,
    "binomial",
  );
});

test("the Kolmogorov–Smirnov limit equals R's", () => {
  const {
    kolmogorov: { d, n, upper },
  } = fixture<Expected>("distributions");
  close(
    d.map((statistic) => kolmogorovUpper(statistic, n)),
    upper,
    1e-6,
    "p",
  ); // R stops its series at 1e-6
});

test("mixtures of χ² equal the Davies method's, and the F distribution where they reduce to it", () => {
  const {
    mixture: { weights, statistic, upper },
  } = fixture<Expected>("distributions");
  // χ²/df with very many degrees of freedom approximates a constant
  const constant = (q: number): number => mixtureAboveZero([...weights, -q / 1e6], [...weights.map(() => 1), 1e6]);
  close(statistic.map(constant), upper, 2e-6, "mixture");
  for (const [f, df1, df2] of [
    [0.5, 3, 20],
    [2.5, 4, 30.0],
    [6, 2, 1200],
    [0.9, 7, 5],
  ]) {
    close(
      [
        mixtureAboveZero(
          [...new Array<number>(df1).fill(1), (-f * df1) / df2],
          [...new Array<number>(df1).fill(1), df2],
        ),
      ],
      [fUpper(f, df1, df2)],
      1e-10,
      "F",
    );
  }
});

test("the derivatives of log Γ equal R's", () => {
  const { x, logGamma: values, derivatives } = fixture<Expected>("distributions").gamma;
  const actual = new Float64Array(2 * GAMMA_DERIVATIVES);
  x.forEach((argument, i) => {
    logGammaDerivatives(argument, actual, GAMMA_DERIVATIVES);
    const [value, ...others] = actual.slice(GAMMA_DERIVATIVES);
    closeEither([value], [values[i]], 1e-14, "log Γ");
    closeEither([logGamma(argument)], [values[i]], 1e-15, "log Γ alone");
    closeEither([others[0]], [derivatives[i][0]], 2e-15, "ψ");
    closeRelative(others.slice(1), derivatives[i].slice(1), 2e-14, "derivatives of ψ");
  });
});
