import { existsSync } from "node:fs";
import { examplesDigest } from "../data/digest";
import { readExamples } from "../data/example";
import { fromRoot } from "../runs/paths";
import type { Run } from "../runs/store";
import type { Memo } from "./memo";
import type { Subject } from "./subject";
import type { OwnRows } from "./task";
import { EvaluationError } from "../data/errors";

/**
 * The split of a task whose rows are each run's own.
 * @throws {EvaluationError} for a model that is no run, training rows that are not what they were, or held-out rows that nobody names
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
      `${task}: this needs a run, which knows what it was trained on; a model by itself does not.`,
    );
  const { name, digest } = run.recipe.data;
  if (rows === "training")
    return memo.once(JSON.stringify(["training rows", run.record.source.data, digest]), async () => [
      [trainingFile(task, run)],
    ]);
  if (!Object.hasOwn(heldout, name))
    throw new EvaluationError(
      `${task}: the option heldout names no file for the data set ${name}; it has ${Object.keys(heldout).join(", ") || "none"}.`,
    );
  return [[fromRoot(heldout[name])]];
}

/** The file with the very rows that a run was trained on. @throws {EvaluationError} */
export function trainingFile(task: string, { record: { source }, recipe: { data } }: Run): string {
  const file = source.data === null ? null : fromRoot(source.data);
  if (file === null || !existsSync(file))
    throw new EvaluationError(
      `${task}: the rows of ${data.name} that the run was trained on are not there: ${file ?? "no file is on record"}. Put the file back, or train the run again.`,
    );
  if (examplesDigest(readExamples(file)) !== data.digest)
    throw new EvaluationError(
      `${task}: ${file} has changed since the run was trained on it. Restore the file, or train the run again.`,
    );
  return file;
}
