import { buildDesign, checkRank, unknownLevel, type Design } from "../design";
import type { Formula, RandomTerm } from "../formula";
import type { Rows } from "../linear-algebra";
import { categoryColumn, levelsOf, type DataRow } from "../data-rows";
import { parameterCount } from "./covariance";
import { StatisticsError } from "../../data/errors";

/** A random term over the rows. Its effects are a `levels.length` × `size` table, stored level by level. */
export interface RandomDesign {
  term: RandomTerm;
  levels: string[];
  names: string[];
  /** number of correlated coefficients a level */
  size: number;
  /** n × size */
  z: Rows;
  /** index into `levels` of every row */
  level: number[];
  /** where its effects begin among all, and its covariance parameters among all */
  offset: number;
  parameterOffset: number;
  /** `z` and `level` of other rows */
  of(rows: readonly DataRow[]): { z: Rows; level: number[] };
}

/** Response, model matrices and the sizes of everything. */
export interface BetaGlmmData {
  formula: Formula;
  /** strictly between 0 and 1 */
  y: number[];
  fixed: Design;
  random: RandomDesign[];
  /** all random effects */
  effects: number;
  /** all parameters: coefficients, log φ, then the covariance parameters of each random term */
  parameters: number;
}

/** @throws StatisticsError for anything that makes the fit impossible, naming the column and the cure */
export function buildData(rows: readonly DataRow[], formula: Formula, y: number[]): BetaGlmmData {
  if (formula.smooths.length > 0)
    throw new StatisticsError(`${formula.smooths[0].label} is a smooth: fit it with fitGam`);
  const fixed = buildDesign(rows, formula.fixed, formula.intercept);
  if (fixed.names.length === 0)
    throw new StatisticsError(`"${formula.text}" has no fixed term. Leave the intercept in.`);
  let effects = 0;
  let parameters = fixed.names.length + 1;
  const random = formula.random.map((term): RandomDesign => {
    const design = buildDesign(rows, term.terms, term.intercept);
    if (design.names.length === 0) throw new StatisticsError(`${term.label} has no coefficient that could vary`);
    const levels = levelsOf(categoryColumn(rows, term.group));
    const of = (given: readonly DataRow[]): { z: Rows; level: number[] } => ({
      z: design.of(given),
      level: categoryColumn(given, term.group).map((level, row) => {
        const index = levels.indexOf(level);
        if (index < 0) throw unknownLevel(term.group, level, row, levels);
        return index;
      }),
    });
    const size = design.names.length;
    const built = {
      term,
      levels,
      names: design.names,
      size,
      ...of(rows),
      offset: effects,
      parameterOffset: parameters,
      of,
    };
    effects += size * levels.length;
    parameters += parameterCount(size);
    return built;
  });
  checkRank(fixed, parameters);
  if (y.every((value) => value === y[0]))
    throw new StatisticsError(
      `column "${formula.response}" is ${y[0]} in every row: there is nothing to explain`,
      formula.response,
    );
  return { formula, y, fixed, random, effects, parameters };
}
