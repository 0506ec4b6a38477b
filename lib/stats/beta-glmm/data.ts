import { buildDesign, checkRank, unknownLevel, type Design } from "../design";
import type { Formula, RandomTerm } from "../formula";
import type { Rows } from "../linear-algebra";
import { ModelMatrix } from "../model-matrix";
import { categoryColumn, levelsOf, type DataRow } from "../data-rows";
import { parameterCount } from "./covariance";
import { StatisticsError } from "../../data/errors";

/**
 * The design of one random term for n rows. Its effects are a `levels.length` × `size` table, stored level by level.
 */
export interface RandomDesign {
  term: RandomTerm;
  /** of the grouping column */
  levels: string[];
  /** names of the varying coefficients */
  names: string[];
  /** number of correlated coefficients per level */
  size: number;
  /** n × size */
  z: Rows;
  /** index into `levels` of every row */
  level: number[];
  /** index of its first effect among all random effects */
  offset: number;
  /** index of its first covariance parameter among all parameters */
  parameterOffset: number;
  /**
   * Builds `z` and `level` for other rows.
   *
   * @throws {StatisticsError} if a column or value is missing, or a level is not in the data of the fit
   */
  of(rows: readonly DataRow[]): { z: Rows; level: number[] };
}

/** Response, model matrices and dimensions of a beta GLMM. */
export interface BetaGlmmData {
  formula: Formula;
  /** response, strictly between 0 and 1, length n */
  y: number[];
  /** with its model matrix, n × names.length */
  fixed: Design & { matrix: Rows };
  random: RandomDesign[];
  /** total number of random effects */
  effects: number;
  /** total number of parameters: coefficients, log φ, then the covariance parameters of each random term */
  parameters: number;
}

/**
 * Builds the model matrices of a formula.
 *
 * @param y response after the squeeze, strictly between 0 and 1, one per row
 * @throws {StatisticsError} if the model cannot be fitted to the data; names the column and what to do
 */
export function buildData(rows: readonly DataRow[], formula: Formula, y: number[]): BetaGlmmData {
  if (formula.smooths.length > 0)
    throw new StatisticsError(`${formula.smooths[0].label} is a smooth: fit it with fitGam`);
  const fixed = buildDesign(rows, formula.fixed, formula.intercept);
  if (fixed.names.length === 0)
    throw new StatisticsError(`"${formula.text}" has no fixed term. Keep the intercept in the formula.`);
  let effects = 0;
  let parameters = fixed.names.length + 1;
  const random = formula.random.map((term): RandomDesign => {
    const design = buildDesign(rows, term.terms, term.intercept);
    if (design.names.length === 0)
      throw new StatisticsError(`${term.label} has no coefficient. Add a column or the intercept, or remove the term.`);
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
    const offset = effects;
    const parameterOffset = parameters;
    effects += size * levels.length;
    parameters += parameterCount(size);
    return { term, levels, names: design.names, size, ...of(rows), offset, parameterOffset, of };
  });
  const x = new ModelMatrix(fixed.blocks);
  checkRank(fixed, x, parameters);
  if (y.every((value) => value === y[0]))
    throw new StatisticsError(
      `column "${formula.response}" is ${y[0]} in every row: there is no variation to explain`,
      formula.response,
    );
  return { formula, y, fixed: { ...fixed, matrix: x.rows() }, random, effects, parameters };
}
