// Copies of the notebooks to work in: JupyterLab saves outputs into the files it opens, and those in notebooks/ are
// committed.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { sha256 } from "../data/digest";
import { DataError } from "../data/errors";
import { parseJson, readText } from "../data/read-json";
import { validated } from "../data/validate";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "../runs/files";

/** A notebook and what became of its copy. */
export interface WorkingCopy {
  /** file name */
  notebook: string;
  /**
   * - `made`: there was none;
   * - `replaced`: the notebook has changed since, and the copy had no edits;
   * - `kept`: the copy stays as it is;
   * - `outdated`: the copy has edits and stays as it is, though the notebook has changed since.
   */
  state: "made" | "replaced" | "kept" | "outdated";
}

/** What a copy was when it was made. */
interface CopyRecord {
  /** digest of the cells, outputs left out */
  cells: string;
  /** digest of the file */
  file: string;
}

const RECORD = ".copies.json";
const recordsSchema = v.record(v.string(), v.object({ cells: v.string(), file: v.string() }));

/** What is read of a notebook in nbformat 4; the rest is carried along. */
const notebookSchema = v.looseObject({
  cells: v.array(
    v.looseObject({
      cell_type: v.string(),
      source: v.union([v.string(), v.array(v.string())]),
      attachments: v.optional(v.unknown()),
    }),
  ),
});
type Notebook = v.InferOutput<typeof notebookSchema>;

/**
 * Copies notebooks into a folder where a copy is missing, or where the notebook has changed and the copy has no edits.
 * Edits are never lost: a copy whose cells differ from those it was made with stays as it is.
 *
 * @param from folder with the notebooks
 * @param to folder of the copies, made if it is missing
 * @param options.outputs whether copies show the outputs of the notebooks
 * @throws {StoreError} if the folder cannot be written
 * @throws {DataError} for a file in `from` that is not a notebook
 */
export function makeWorkingCopies(from: string, to: string, { outputs }: { outputs: boolean }): WorkingCopy[] {
  makeFolder(to);
  const records = readRecords(join(to, RECORD));
  const names = readdirSync(from).filter((name) => name.endsWith(".ipynb"));
  const copies = names.sort().map((notebook): WorkingCopy => {
    const original = readText(join(from, notebook));
    const content = validated(notebookSchema, parseJson(original, notebook), join(from, notebook), DataError);
    const path = join(to, notebook);
    const copy = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    const fresh = outputs ? original : withoutOutputs(content);
    const { state, record } = compare(copy, fresh, cellsDigest(content), records[notebook]);
    if (state === "made" || state === "replaced") writeFileAtomic(path, fresh);
    if (record) records[notebook] = record;
    return { notebook, state };
  });
  writeFileAtomic(join(to, RECORD), `${JSON.stringify(records, null, 1)}\n`);
  return copies;
}

/**
 * Decides what becomes of a copy, and what is to be remembered of it.
 * @param copy the copy as it is now
 * @param fresh a new copy, and the digest of its cells
 * @param made the copy when it was made
 */
function compare(
  copy: string | undefined,
  fresh: string,
  freshCells: string,
  made: CopyRecord | undefined,
): { state: WorkingCopy["state"]; record?: CopyRecord } {
  const record = { cells: freshCells, file: sha256(fresh) };
  if (copy === undefined) return { state: "made", record };
  if (copy === fresh) return { state: "kept", record };
  if (sha256(copy) === made?.file) return { state: "replaced", record }; // never saved since
  const cells = cellsDigest(notebookIn(copy));
  if (cells === freshCells) return { state: "kept", record: { cells, file: made?.file ?? "" } }; // with other outputs
  if (made?.cells === freshCells) return { state: "kept" };
  return cells !== undefined && cells === made?.cells ? { state: "replaced", record } : { state: "outdated" };
}

/** Of all that a person writes in a notebook: outputs, execution counts and metadata are left out. */
function cellsDigest(notebook: Notebook): string;
function cellsDigest(notebook: Notebook | undefined): string | undefined;
function cellsDigest(notebook: Notebook | undefined): string | undefined {
  const written = notebook?.cells.map(({ cell_type, source, attachments }) => {
    return [cell_type, [source].flat().join(""), attachments ?? {}];
  });
  return written && sha256(JSON.stringify(written));
}

function withoutOutputs({ cells, ...rest }: Notebook): string {
  const empty = cells.map((cell) =>
    cell.cell_type === "code" ? { ...cell, execution_count: null, outputs: [] } : cell,
  );
  return `${JSON.stringify({ cells: empty, ...rest }, null, 1)}\n`;
}

/** The notebook in a text, or undefined if a person or a crash has left something else there. */
function notebookIn(text: string): Notebook | undefined {
  try {
    return v.parse(notebookSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Without the file, or with a damaged one, copies count as edited unless their cells are the notebook's. */
function readRecords(path: string): Record<string, CopyRecord> {
  const { success, output } = v.safeParse(recordsSchema, readJsonIfAny(path));
  return success ? output : {};
}
