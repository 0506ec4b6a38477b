import { groupBy } from "../data/group";

/** The factors that change training itself: within an arm of a study they are constant. */
export interface ArmFactors {
  /** absent for scores that were read from a file without this column */
  normalizer?: string;
  /** weight of the completion, λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts, such as "thinking 0.8"; absent: "none" */
  partWeights?: string;
  /** name of the set of hyperparameters; absent for scores that were read from a file without this column */
  variant?: string;
}

/** The rows of one arm of a study. */
export interface Arm<T> extends ArmFactors {
  /** the factors that differ between arms, for example "tokens · λr 0.5 · lr 1e-4"; empty if there is a single arm */
  name: string;
  rows: T[];
}

/** Names of {@link ArmFactors}, in the order of arms' names. */
export const ARM_FACTORS = ["normalizer", "completionWeight", "partWeights", "variant"] as const;

/** The weights among {@link ARM_FACTORS}. */
const WEIGHTS = ["completionWeight", "partWeights"] as const;

/** Name of the set of part weights in which no part has one. */
export const NO_PART_WEIGHTS = "none";

const DEFAULTS: Readonly<ArmFactors> = { completionWeight: 1, partWeights: NO_PART_WEIGHTS };

/** Value of a factor of a row; the default of weights that it does not name. */
export const armFactor = (row: ArmFactors, factor: keyof ArmFactors): string | number | undefined =>
  row[factor] ?? DEFAULTS[factor];

/** The factors of a row's arm that it names. */
export function armFactors(row: ArmFactors): ArmFactors {
  return Object.fromEntries(
    ARM_FACTORS.flatMap((factor) => ((row[factor] ?? null) === null ? [] : [[factor, row[factor]]])),
  );
}

/** A text that is the same for rows of the same arm only. @param factors default: all */
export const armKey = (row: ArmFactors, factors: readonly (keyof ArmFactors)[] = ARM_FACTORS): string =>
  JSON.stringify(factors.map((factor) => armFactor(row, factor)));

/** Whether two rows belong to the same arm. */
export const isSameArm = (a: ArmFactors, b: ArmFactors): boolean => armKey(a) === armKey(b);

/** The factors in which rows differ. */
export function varyingFactors(rows: readonly ArmFactors[]): (keyof ArmFactors)[] {
  return ARM_FACTORS.filter((factor) => new Set(rows.map((row) => armFactor(row, factor))).size > 1);
}

/** Names some factors of a row, for example "tokens · λr 0.5 · lr 1e-4". */
export function armName(row: ArmFactors, factors: readonly (keyof ArmFactors)[]): string {
  return factors.map((factor) => levelName(factor, armFactor(row, factor))).join(" · ");
}

function levelName(factor: keyof ArmFactors, value: string | number | undefined): string {
  if (factor === "completionWeight") return `λr ${value}`;
  if (factor === "partWeights" && value === NO_PART_WEIGHTS) return "no part weights";
  return String(value ?? "unknown");
}

/**
 * Splits rows by {@link ARM_FACTORS}. Scores of different arms are neither averaged nor scaled together: figures show
 * one arm per facet, and fits are made per arm.
 *
 * @returns arms in the order of first appearance
 */
export function armsOf<T extends ArmFactors>(rows: readonly T[]): Arm<T>[] {
  const varying = varyingFactors(rows);
  return [...groupBy(rows, (row) => armKey(row)).values()].map((group) => ({
    name: armName(group[0], varying),
    ...armFactors(group[0]),
    rows: group,
  }));
}

/**
 * Gives all rows the columns `completionWeight` and `partWeights` if some have them, and differ from the default: tables
 * and files of other studies stay without.
 */
export function withWeightColumns<T extends ArmFactors>(rows: readonly T[]): T[] {
  const named = WEIGHTS.filter((factor) => rows.some((row) => row[factor] !== undefined));
  if (named.length === 0) return [...rows];
  return rows.map((row) => {
    const columns = Object.entries(row).filter(([name]) => !named.includes(name as (typeof WEIGHTS)[number]));
    const at = columns.findIndex(([name]) => name === "normalizer") + 1;
    const weights = named.map((factor) => [factor, armFactor(row, factor)] as [string, unknown]);
    return Object.fromEntries([...columns.slice(0, at), ...weights, ...columns.slice(at)]) as T;
  });
}
