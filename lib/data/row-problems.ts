import type { DataProblem } from "./errors";

/** A fault with the line it is in, for JSON Lines. */
export type RowProblem = DataProblem & { line?: number };

/** Maximum number of faults that an error message lists. */
const MAX_LISTED_FAULTS = 20;

/** The faults of rows, one a line; the first 20. */
export function listedProblems(problems: readonly RowProblem[]): string {
  const listed = problems.slice(0, MAX_LISTED_FAULTS).map(({ row, line, field, problem }) => {
    const location = `row ${row! + 1} (index ${row}${line === undefined ? "" : `, line ${line}`})`;
    return `  ${location}: ${field === undefined ? "" : `field "${field}" `}${problem}`;
  });
  if (problems.length > MAX_LISTED_FAULTS) listed.push(`  … and ${problems.length - MAX_LISTED_FAULTS} more faults`);
  return listed.join("\n");
}

/** Faults as an error has them, without lines. */
export const withoutLines = (problems: readonly RowProblem[]): DataProblem[] =>
  problems.map(({ row, field, problem }) => ({ row, field, problem }));
