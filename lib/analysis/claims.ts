import { text } from "../data/validate";
import { checkOptions } from "../data/arguments";
import { checkRowsOf } from "./row-schemas";
import { distinct, groupBy, mean } from "../data/group";
import { seededRandom } from "../data/random";
import { transformWeight } from "../data/prompt-loss-weight";
import { dot } from "../stats/linear-algebra";
import { translationFrom } from "./benchmarks";
import { inEachArm } from "./in-each-arm";
import { relativeRows, type RelativeRow, type ScoreRow } from "./score-rows";

/** One claim of section 5.1 as an estimate with its interval. */
export type ClaimRow = {
  /** normalizer, weights beside the PLW, and variant; absent if there is a single arm */
  arm?: string;
  claim: string;
  /** definition and unit of the estimate */
  measure: string;
  estimate: number;
  /** lower 95 % limit, see {@link claimRows} */
  low: number;
  /** upper 95 % limit */
  high: number;
  /** number of resampled units: benchmarks × models, or benchmarks where models are compared */
  units: number;
  /** "yes" or "no" if the interval excludes 0, else "open" */
  holds: "yes" | "no" | "open";
};

/** The data sets to which the claims of section 5.1 refer, by name. Claims about a missing one are omitted. */
export interface ClaimDatasets {
  /** AlpacaData */
  plain?: string;
  /** AlpacaDataCleaned */
  cleaned?: string;
  /** AlpacaDataShort */
  short?: string;
}

/** Number of bootstrap resamples. */
const RESAMPLES = 2000;

/**
 * Estimates section 5.1's claims, each as one number with an interval, in each arm. The number is a mean over units; a
 * unit is a benchmark with one model, or a benchmark where models are compared. The interval is the 95 % percentile bootstrap
 * over units (2,000 resamples, seeded), so it generalizes to other benchmarks and models of this kind, not to other
 * seeds or items. Relative scores are min-max scaled within data set, benchmark and arm. Claims about data sets, groups or
 * PLWs that the rows do not have, or with fewer than two units, are omitted; so are benchmarks without any difference
 * where relative scores are needed.
 *
 * @param datasets default: `cleaned` and `short` are the names that end in "Cleaned" and "Short"; `plain` is the name
 *   of `cleaned` without this ending
 */
export function claimRows(rows: readonly ScoreRow[], datasets?: ClaimDatasets): ClaimRow[] {
  if (datasets !== undefined) checkOptions("claimRows", datasets, { plain: text, cleaned: text, short: text });
  checkRowsOf("claimRows", "score", rows);
  const named = datasets ?? namedDatasets(rows);
  return inEachArm(rows, (inArm) => claimsOfArm(inArm, named));
}

function claimsOfArm(rows: readonly ScoreRow[], datasets: ClaimDatasets): ClaimRow[] {
  const relative = relativeRows(rows).filter((row): row is Scaled => row.relative !== null);
  const { plain, cleaned, short } = datasets;
  return [
    ...distinct(rows.map(({ dataset }) => dataset)).flatMap((dataset) =>
      claim(
        dataset === short
          ? "Short: scores at PLW > 0 lie above those at 0"
          : `${dataset}: scores at PLW > 0 are those at 0`,
        "relative score at PLW > 0, mean, minus at 0",
        perUnit(
          relative.filter((row) => row.dataset === dataset),
          aboveZero,
        ),
        dataset === short ? "above" : "none",
      ),
    ),
    ...shortDatasetClaims(
      rows.filter(({ dataset }) => dataset === short),
      relative.filter(({ dataset }) => dataset === short),
    ),
    ...claim(
      "Models: the second is better than the first",
      "points, paired by data set and weight",
      paired(rows, "model", distinct(rows.map(({ model }) => model))),
      "above",
    ),
    ...claim(
      "Cleaned is better than plain data",
      "points, paired by model and weight",
      plain && cleaned ? paired(rows, "dataset", [plain, cleaned]) : [],
      "above",
    ),
  ];
}

/**
 * The claims about how scores depend on PLW on short completions.
 *
 * @param rows of this data set
 * @param relative its rows with relative scores
 */
function shortDatasetClaims(rows: readonly ScoreRow[], relative: readonly Scaled[]): ClaimRow[] {
  const ofGroup = (group: string): Scaled[] => relative.filter((row) => row.group === group);
  const translations = (from: "English" | "other"): Scaled[] =>
    relative.filter(({ benchmark }) => translationFrom(benchmark) === from);
  return [
    claim(
      "Short: any PLW > 0 beats 0 on groups I and II",
      "share of weights that beat 0, minus a half",
      perUnit([...ofGroup("I"), ...ofGroup("II")], shareAboveZero),
      "above",
    ),
    claim(
      "Short: group I peaks at small weights",
      "relative score in 0.01 to 0.1, mean, minus mean at 0 and 1",
      perUnit(ofGroup("I"), peak),
      "above",
    ),
    claim(
      "Short: group I is curved downwards",
      "relative score, coefficient of w_p²",
      perUnit(ofGroup("I"), curvature),
      "below",
    ),
    claim("Short: group II rises with PLW", "relative score, slope on w_p", perUnit(ofGroup("II"), slope), "above"),
    claim(
      "Short: translation from English rises with PLW",
      "relative score, slope on w_p",
      perUnit(translations("English"), slope),
      "above",
    ),
    claim(
      "Short: translation into English shows no trend",
      "relative score, slope on w_p",
      perUnit(translations("other"), slope),
      "none",
    ),
    claim(
      "Short: long generation changes most",
      "points between best and worst weight: judged benchmarks, minus mean of the others",
      rangeUnits(rows),
      "above",
    ),
  ].flat();
}

/** Identifies the data sets by the endings of their names. */
function namedDatasets(rows: readonly ScoreRow[]): ClaimDatasets {
  const names = distinct(rows.map(({ dataset }) => dataset));
  const cleaned = names.find((name) => name.endsWith("Cleaned"));
  return {
    cleaned,
    short: names.find((name) => name.endsWith("Short")),
    plain: cleaned && names.find((name) => `${name}Cleaned` === cleaned),
  };
}

type Scaled = RelativeRow & { relative: number };

/**
 * Estimates one claim.
 *
 * @param values one per unit
 * @param expected sign of the estimate according to the paper; a claim of "none" never holds for certain, and fails if
 *   the interval excludes 0
 * @returns no rows for fewer than two values
 */
function claim(
  name: string,
  measure: string,
  values: readonly number[],
  expected: "above" | "below" | "none",
): ClaimRow[] {
  if (values.length < 2) return [];
  const random = seededRandom("claims", name);
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(values.map(() => values[Math.floor(random() * values.length)])),
  ).sort((a, b) => a - b);
  const [low, high] = [means[Math.floor(0.025 * RESAMPLES)], means[Math.ceil(0.975 * RESAMPLES) - 1]];
  const sign = low > 0 ? "above" : high < 0 ? "below" : "none";
  const holds = sign === "none" ? "open" : sign === expected ? "yes" : "no";
  return [{ claim: name, measure, estimate: mean(values), low, high, units: values.length, holds }];
}

/** Applies a measure to the rows of each benchmark × model; units without a value are omitted. */
function perUnit(rows: readonly Scaled[], measure: (unit: readonly Scaled[]) => number | null): number[] {
  return [...groupBy(rows, ({ benchmark, model }) => JSON.stringify([benchmark, model])).values()].flatMap(
    (unit) => measure(unit) ?? [],
  );
}

/** Relative scores at the selected PLWs. */
function scoresAt(unit: readonly Scaled[], selected: (plw: number) => boolean): number[] {
  return unit.filter(({ plw }) => selected(plw)).map(({ relative }) => relative);
}

/** Difference of means; null if one list is empty. */
function meanDifference(high: readonly number[], low: readonly number[]): number | null {
  return high.length > 0 && low.length > 0 ? mean(high) - mean(low) : null;
}

/** Mean relative score at PLW > 0, minus that at 0. */
function aboveZero(unit: readonly Scaled[]): number | null {
  const positive = scoresAt(unit, (plw) => plw > 0);
  const zero = scoresAt(unit, (plw) => plw === 0);
  return meanDifference(positive, zero);
}

/** Mean relative score at PLW 0.01 to 0.1, minus that at 0 and 1. */
function peak(unit: readonly Scaled[]): number | null {
  const small = scoresAt(unit, (plw) => plw >= 0.01 && plw <= 0.1);
  const ends = scoresAt(unit, (plw) => plw === 0 || plw === 1);
  return meanDifference(small, ends);
}

/** Share of scores at PLW > 0 above the mean score at 0, minus 1/2. */
function shareAboveZero(unit: readonly Scaled[]): number | null {
  const zero = scoresAt(unit, (plw) => plw === 0);
  const others = scoresAt(unit, (plw) => plw > 0);
  if (zero.length === 0 || others.length === 0) return null;
  return others.filter((score) => score > mean(zero)).length / others.length - 0.5;
}

/** Slope of the least squares line of the relative score on w_p; null for fewer than two PLWs. */
function slope(unit: readonly Scaled[]): number | null {
  const x = unit.map(({ plw }) => transformWeight(plw));
  const y = unit.map(({ relative }) => relative);
  return new Set(x).size < 2 ? null : regression(x, y).slope;
}

/** Least squares coefficient of w_p² in a quadratic of w_p, by partial regression; null for fewer than three PLWs. */
function curvature(unit: readonly Scaled[]): number | null {
  const x = unit.map(({ plw }) => transformWeight(plw));
  const y = unit.map(({ relative }) => relative);
  if (new Set(x).size < 3) return null;
  const squares = x.map((value) => value ** 2);
  const squareResiduals = regression(x, squares).residuals;
  const residuals = regression(x, y).residuals;
  return dot(squareResiduals, residuals) / dot(squareResiduals, squareResiduals);
}

/** Least squares line of y on x. */
function regression(x: readonly number[], y: readonly number[]): { slope: number; residuals: number[] } {
  const [meanX, meanY] = [mean(x), mean(y)];
  const centered = x.map((value) => value - meanX);
  const slope = dot(centered, y) / dot(centered, centered);
  return { slope, residuals: y.map((value, i) => value - meanY - slope * centered[i]) };
}

/** Range over PLWs of each judged benchmark (type G_L), minus the mean range of the other benchmarks, by model. */
function rangeUnits(rows: readonly ScoreRow[]): number[] {
  return [...groupBy(rows, ({ model }) => model).values()].flatMap((modelRows) => {
    const ranges = [...groupBy(modelRows, ({ benchmark }) => benchmark).values()].map((unit) => {
      const values = unit.map(({ score }) => score);
      return { judged: unit[0].type === "G_L", range: Math.max(...values) - Math.min(...values) };
    });
    const others = ranges.filter(({ judged }) => !judged).map(({ range }) => range);
    return others.length === 0 ? [] : ranges.filter(({ judged }) => judged).map(({ range }) => range - mean(others));
  });
}

/**
 * Mean score difference, second minus first value of a factor, over pairs of an arm's runs that differ only in this
 * factor: one number per benchmark, or per benchmark and model if the factor is "dataset".
 */
function paired(rows: readonly ScoreRow[], factor: "model" | "dataset", [first, second]: readonly string[]): number[] {
  const unitOf = ({ benchmark, model }: ScoreRow) =>
    factor === "model" ? benchmark : JSON.stringify([benchmark, model]);
  const pairOf = (row: ScoreRow) => JSON.stringify([factor === "model" ? row.dataset : row.model, row.plw, row.seed]);
  return [...groupBy(rows, unitOf).values()].flatMap((unit) => {
    const before = new Map(unit.filter((row) => row[factor] === first).map((row) => [pairOf(row), row.score]));
    const differences = unit
      .filter((row) => row[factor] === second && before.has(pairOf(row)))
      .map((row) => row.score - before.get(pairOf(row))!);
    return differences.length > 0 ? [mean(differences)] : [];
  });
}
