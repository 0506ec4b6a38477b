import { existsSync } from "node:fs";
import { readExamples } from "../data/example";
import { rowsDigest, type Row } from "../data/rows";
import { fromRoot } from "../runs/paths";
import type { Run } from "../runs/store";
import type { Memo } from "./memo";
import type { Subject } from "./subject";
import type { OwnRows } from "./task";
import { EvaluationError } from "../data/errors";

/**
 * Finds the rows of a task whose data depend on the run: the run's training rows, or held-out rows of its dataset.
 * @param task the task's name, for error messages
 * @param heldout held-out file by dataset name (option `heldout`)
 * @returns splits in the form of `TaskData.items`: one split with one candidate path
 * @throws {EvaluationError} for a model that does not come from a run, training rows that are missing or have changed,
 * or a dataset without a held-out file
 */
export async function ownRows(
  task: string,
  rows: OwnRows,
  { run }: Subject,
  heldout: Readonly<Record<string, string>> = {},
  memo: Memo,
): Promise<string[][]> {
  if (!run)
    throw new EvaluationError(
      `${task}: this needs a run, which records the data it was trained on; a model in memory does not.`,
    );
  const { name, digest } = run.recipe.data;
  if (rows === "training")
    return memo.once(JSON.stringify(["training rows", run.record.source.data, digest]), async () => [
      [trainingFile(task, run)],
    ]);
  if (!Object.hasOwn(heldout, name))
    throw new EvaluationError(
      `${task}: the option heldout names no file for the data set ${name}; ` +
        `it has ${Object.keys(heldout).join(", ") || "none"}. Add one, or leave out this task.`,
    );
  return [[fromRoot(heldout[name])]];
}

/**
 * Finds the file with the rows that a run was trained on, and verifies their digest.
 * @param task the task's name, for error messages
 * @returns an absolute path
 * @throws {EvaluationError} if the file is missing or its rows have changed
 */
export function trainingFile(task: string, { record: { source }, recipe: { data } }: Run): string {
  const file = source.data === null ? null : fromRoot(source.data);
  if (file === null || !existsSync(file))
    throw new EvaluationError(
      `${task}: cannot find the rows of ${data.name} that the run was trained on: ` +
        `${file ?? "the run's record names no file"}. Restore the file, or train the run again.`,
    );
  if (rowsDigest(readExamples<Row>(file)) !== data.digest)
    throw new EvaluationError(
      `${task}: ${file} has changed since the run was trained on it. Restore the file, or train the run again.`,
    );
  return file;
}
