import { groupBy, mean } from "../data/group";
import { seededRandom } from "../data/random";
import { transformWeight } from "../data/prompt-loss-weight";
import { translationFrom } from "./benchmarks";
import { relativeRows, type RelativeRow, type ScoreRow } from "./score-rows";

export type ClaimRow = {
  claim: string;
  /** what the estimate is, and its unit */
  measure: string;
  estimate: number;
  /** 95 %, see {@link claimRows} */
  low: number;
  high: number;
  /** benchmark × model, that are resampled */
  units: number;
  /** "yes" or "no" where the whole interval says so, else "open" */
  holds: "yes" | "no" | "open";
};

/** The data sets that section 5.1 speaks of, by their names in the study. */
export interface ClaimDatasets {
  plain?: string;
  cleaned?: string;
  short?: string;
}

const RESAMPLES = 2000;

/**
 * Section 5.1's claims, each as one number with an interval. A claim's number is a mean over units, a unit being a benchmark
 * with one model (a benchmark where models are compared); the interval is the 95 % percentile bootstrap over units
 * (2,000 resamples, seeded), so it speaks of other benchmarks and models of this kind, not of other seeds or items.
 * Relative scores are min-max scaled within data set and benchmark. Claims about data sets, groups or weights that the
 * rows do not have are left out, and so are benchmarks without any difference where relative scores are needed.
 *
 * @param datasets default: names that end in "Short" and "Cleaned", and for `plain` what "Cleaned" is appended to
 */
export function claimRows(rows: readonly ScoreRow[], datasets: ClaimDatasets = namedDatasets(rows)): ClaimRow[] {
  const relative = relativeRows(rows).filter((row): row is Scaled => row.relative !== null);
  const { plain, cleaned, short } = datasets;
  const of = (dataset: string | undefined, group?: string) =>
    relative.filter((row) => row.dataset === dataset && (group === undefined || row.group === group));
  const raw = (dataset: string | undefined) => rows.filter((row) => row.dataset === dataset);
  const translations = (from: "English" | "other") =>
    of(short).filter(({ benchmark }) => translationFrom(benchmark) === from);
  const all = [...new Set(rows.map(({ dataset }) => dataset))];
  return [
    ...all.map((dataset) =>
      claim(
        dataset === short
          ? "Short: scores at PLW > 0 lie above those at 0"
          : `${dataset}: scores at PLW > 0 are those at 0`,
        "relative score at PLW > 0, mean, minus at 0",
        perUnit(of(dataset), aboveZero),
        dataset === short ? "above" : "none",
      ),
    ),
    claim(
      "Short: any PLW > 0 beats 0 on groups I and II",
      "share of weights that beat 0, minus a half",
      perUnit([...of(short, "I"), ...of(short, "II")], shareAboveZero),
      "above",
    ),
    claim(
      "Short: group I peaks at small weights",
      "relative score in 0.01 to 0.1, mean, minus mean at 0 and 1",
      perUnit(of(short, "I"), peak),
      "above",
    ),
    claim(
      "Short: group I is curved downwards",
      "relative score, coefficient of w_p²",
      perUnit(of(short, "I"), curvature),
      "below",
    ),
    claim("Short: group II rises with PLW", "relative score, slope on w_p", perUnit(of(short, "II"), slope), "above"),
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
      rangeUnits(raw(short)),
      "above",
    ),
    claim(
      "Models: the second is better than the first",
      "points, paired by data set and weight",
      paired(rows, "model", [...new Set(rows.map(({ model }) => model))]),
      "above",
    ),
    claim(
      "Cleaned is better than plain data",
      "points, paired by model and weight",
      plain && cleaned ? paired(rows, "dataset", [plain, cleaned]) : [],
      "above",
    ),
  ].flat();
}

/** What the names of data sets say of them. */
function namedDatasets(rows: readonly ScoreRow[]): ClaimDatasets {
  const names = [...new Set(rows.map(({ dataset }) => dataset))];
  const cleaned = names.find((name) => name.endsWith("Cleaned"));
  return {
    cleaned,
    short: names.find((name) => name.endsWith("Short")),
    plain: cleaned && names.find((name) => `${name}Cleaned` === cleaned),
  };
}

type Scaled = RelativeRow & { relative: number };

/** `expected`: where the paper has the number, above 0, below it, or at it (then the claim never holds for sure, and fails where 0 is outside). */
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

/** A number of each benchmark × model, where it has one. */
function perUnit(rows: readonly Scaled[], measure: (unit: readonly Scaled[]) => number | null): number[] {
  return [...groupBy(rows, ({ benchmark, model }) => JSON.stringify([benchmark, model])).values()].flatMap(
    (unit) => measure(unit) ?? [],
  );
}

const scores = (unit: readonly Scaled[], chosen: (plw: number) => boolean) =>
  unit.filter(({ plw }) => chosen(plw)).map(({ relative }) => relative);
const difference = (high: number[], low: number[]) =>
  high.length > 0 && low.length > 0 ? mean(high) - mean(low) : null;

const aboveZero = (unit: readonly Scaled[]) =>
  difference(
    scores(unit, (plw) => plw > 0),
    scores(unit, (plw) => plw === 0),
  );
const peak = (unit: readonly Scaled[]) =>
  difference(
    scores(unit, (plw) => plw >= 0.01 && plw <= 0.1),
    scores(unit, (plw) => plw === 0 || plw === 1),
  );

function shareAboveZero(unit: readonly Scaled[]): number | null {
  const zero = scores(unit, (plw) => plw === 0);
  const others = scores(unit, (plw) => plw > 0);
  if (zero.length === 0 || others.length === 0) return null;
  return others.filter((score) => score > mean(zero)).length / others.length - 0.5;
}

/** Least squares on w_p. */
function slope(unit: readonly Scaled[]): number | null {
  const x = unit.map(({ plw }) => transformWeight(plw));
  return new Set(x).size < 2
    ? null
    : regression(
        x,
        unit.map(({ relative }) => relative),
      ).slope;
}

/** Least squares on w_p and w_p²: the coefficient of what w_p² has beside a straight line. */
function curvature(unit: readonly Scaled[]): number | null {
  const x = unit.map(({ plw }) => transformWeight(plw));
  if (new Set(x).size < 3) return null;
  const squares = regression(
    x,
    x.map((value) => value ** 2),
  ).residuals;
  const residuals = regression(
    x,
    unit.map(({ relative }) => relative),
  ).residuals;
  return dot(squares, residuals) / dot(squares, squares);
}

function regression(x: readonly number[], y: readonly number[]): { slope: number; residuals: number[] } {
  const [meanX, meanY] = [mean(x), mean(y)];
  const centered = x.map((value) => value - meanX);
  const slope = dot(centered, y) / dot(centered, centered);
  return { slope, residuals: y.map((value, i) => value - meanY - slope * centered[i]) };
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Each judged benchmark's range over weights, minus the mean range of all others, by model. */
function rangeUnits(rows: readonly ScoreRow[]): number[] {
  return [...groupBy(rows, ({ model }) => model).values()].flatMap((own) => {
    const ranges = [...groupBy(own, ({ benchmark }) => benchmark).values()].map((unit) => {
      const values = unit.map(({ score }) => score);
      return { judged: unit[0].type === "G_L", range: Math.max(...values) - Math.min(...values) };
    });
    const others = ranges.filter(({ judged }) => !judged).map(({ range }) => range);
    return others.length === 0 ? [] : ranges.filter(({ judged }) => judged).map(({ range }) => range - mean(others));
  });
}

/** Second minus first of a factor's two values, over pairs of runs that differ in it only: their mean for each benchmark, and for each model where the factor is another. */
function paired(rows: readonly ScoreRow[], factor: "model" | "dataset", [first, second]: readonly string[]): number[] {
  const unitOf = ({ benchmark, model }: ScoreRow) =>
    factor === "model" ? benchmark : JSON.stringify([benchmark, model]);
  const pairOf = (row: ScoreRow) =>
    JSON.stringify([factor === "model" ? row.dataset : row.model, row.plw, row.seed, row.normalizer]);
  return [...groupBy(rows, unitOf).values()].flatMap((unit) => {
    const before = new Map(unit.filter((row) => row[factor] === first).map((row) => [pairOf(row), row.score]));
    const differences = unit
      .filter((row) => row[factor] === second && before.has(pairOf(row)))
      .map((row) => row.score - before.get(pairOf(row))!);
    return differences.length > 0 ? [mean(differences)] : [];
  });
}
