import { StatisticsError } from "./errors";
import { categoryColumn, numericColumn, type DataRow } from "./data-rows";

/**
 * Min-max transformed scores within groups (§5.1): the paper's are those of a data set and a benchmark, over all models
 * and weights. The rows as they are, with `into` added.
 *
 * @throws StatisticsError for a group whose scores are all the same
 */
export function minMaxScores<Row extends DataRow>(rows: readonly Row[], { score, by, into }: { score: string; by: readonly string[]; into: string }): Row[] {
  const values = numericColumn(rows, score);
  const columns = by.map((column) => categoryColumn(rows, column));
  const groups = new Map<string, number[]>();
  rows.forEach((_, i) => {
    const key = columns.map((column) => column[i]).join(", ");
    groups.set(key, [...groups.get(key) ?? [], i]);
  });
  const result = [...values];
  for (const [key, indices] of groups) {
    const own = indices.map((i) => values[i]);
    const [low, high] = [Math.min(...own), Math.max(...own)];
    if (low === high) {
      throw new StatisticsError(`column "${score}": all ${own.length} scores of ${by.join(", ")} = ${key} are ${low}, so they have no minimum and maximum to be placed between. `
        + "Leave that group out, or evaluate it on more items.", score);
    }
    for (const i of indices) result[i] = (values[i] - low) / (high - low);
  }
  return rows.map((row, i) => ({ ...row, [into]: result[i] }));
}
