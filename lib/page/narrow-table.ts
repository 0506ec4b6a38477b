// Makes tables of runs and scores narrow: what is the same in every row goes to the caption, ids to the end.
import { ONLY_VARIANT } from "../analysis/run-rows";
import { cellText, hasIds, type TableLike } from "./table-view";

/** Columns that come first in tables of runs and scores, in this order. */
const FIRST = [
  ...["model", "dataset", "normalizer", "completionWeight", "partWeights", "variant", "seed", "plw"],
  ...["benchmark", "score", "standardError", "relative", "relativeStandardError"],
];

/** Columns that any table with a column `dataset` names in its caption if they are the same in all rows. */
const FOLDED = ["normalizer", "completionWeight", "partWeights", "variant", "seed", "s"];

/** A table and the text above it. */
export interface CaptionedTable {
  table: TableLike;
  caption?: string;
}

/**
 * Narrows a table of runs or scores, one with the columns `model`, `dataset` and `plw`: factors come first, then scores,
 * ids last; columns that are the same in all of two or more rows are named in the caption instead, empty
 * ones omitted. Of other tables with a column `dataset`, only normalizer, other weights, variant and seed can go to the caption.
 */
export function narrowTable(table: TableLike, caption?: string): CaptionedTable {
  const rows = table.values as readonly (readonly unknown[])[];
  const all = table.columns.map((_, column) => column);
  const isAboutRuns = ["model", "dataset", "plw"].every((name) => table.columns.includes(name));
  const folds = (column: number) =>
    (isAboutRuns && FIRST.indexOf(table.columns[column]) < FIRST.indexOf("benchmark")) ||
    (table.columns.includes("dataset") && FOLDED.includes(table.columns[column]));
  const isConstant = (column: number) =>
    folds(column) && rows.length > 1 && rows.every((row) => cellText(row[column]) === cellText(rows[0][column]));
  const place = (column: number): number => {
    if (hasIds(table, column)) return 2 * FIRST.length;
    const found = isAboutRuns ? FIRST.indexOf(table.columns[column]) : -1;
    return found === -1 ? FIRST.length : found;
  };
  const kept = all.filter((column) => !isConstant(column) || hasIds(table, column));
  const order = kept.sort((a, b) => place(a) - place(b));
  const folded = all.filter((column) => !kept.includes(column)).map((column) => folding(table, column));
  const parts = [caption, folded.filter((text) => text !== undefined).join(", ")];
  return {
    table: {
      columns: order.map((column) => table.columns[column]),
      values: rows.map((row) => order.map((column) => row[column])),
      ...(table.index && { index: table.index }),
    },
    caption: parts.filter((part) => part !== undefined && part !== "").join(" · ") || undefined,
  };
}

/** "normalizer weights"; nothing for an empty column, and for the variant of studies without variants. */
function folding({ columns, values }: TableLike, column: number): string | undefined {
  const text = cellText((values as readonly (readonly unknown[])[])[0][column]);
  const says = text !== "" && !(columns[column] === "variant" && text === ONLY_VARIANT);
  return says ? `${columns[column] === "plw" ? "PLW" : columns[column]} ${text}` : undefined;
}
