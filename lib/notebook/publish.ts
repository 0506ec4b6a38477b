import { checkOptions, count } from "../data/arguments";
import { exportFigure, figurePath, removeExport } from "../export/export";
import { exportTable } from "../export/tables";
import type { Figure } from "../figures/figure";
import type { Table } from "../figures/table";
import { show } from "./display";
import type { TableOptions } from "./show-table";

/**
 * Shows a study's figure with its caption, and exports it to the study's folder of outputs. A figure without any numbers
 * is named instead, and an earlier export of it is removed.
 */
export async function publishFigure(study: { name: string }, figure: Figure): Promise<void> {
  const path = figurePath(study, figure.name);
  if (figure.rows.length === 0) {
    removeExport(path);
    const reason = figure.leftOut?.join("; ") ?? "the study has no numbers for it";
    await show(`${figure.name} cannot be drawn: ${reason}.`);
    return;
  }
  await show(figure);
  await exportFigure(figure, path);
}

/** Shows a study's table with its caption, and exports it to the study's folder of outputs. */
export async function publishTable(
  study: { name: string },
  table: Table,
  options: Pick<TableOptions, "maxRows"> = {},
): Promise<void> {
  checkOptions("publishTable", options, { maxRows: count });
  await show(table, options);
  exportTable(table, figurePath(study, table.name));
}
