import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DataError } from "../data/errors";
import { repositoryRoot } from "../data/repository";

/** Type of the values of a Parquet column; none may be absent. */
export type ColumnType =
  "int32" | "double" | "text" | { list: ColumnType } | { fields: Readonly<Record<string, ColumnType>> };

/**
 * Rows as the bytes of a Parquet file, compressed with Snappy. The writer is an ES module, which this code cannot load
 * at once, so a process of its own writes.
 *
 * @param columns types of the columns, by name; other fields of the rows are left out
 * @throws {DataError} if the writer refuses a value, with its cause
 */
export function parquetBytes(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: Readonly<Record<string, ColumnType>>,
): Buffer {
  const { status, signal, stdout, stderr, error } = spawnSync(
    process.execPath,
    [join(repositoryRoot(), "lib", "export", "parquet-writer.mjs"), JSON.stringify(columns)],
    {
      input: rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
      maxBuffer: 2 ** 32,
      // without the options of this process, such as loaders and debuggers
      env: { ...process.env, NODE_OPTIONS: "" },
    },
  );
  if (status === 0) return stdout;
  const cause = status === 1 ? stderr.toString() : (error?.message ?? `its writer ended with ${signal ?? status}`);
  throw new DataError(`cannot write these rows as Parquet (${cause})`);
}
