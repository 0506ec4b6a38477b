import { createHash } from "node:crypto";
import { encodeDataset, type EncodedDataset, type EncodedExample, type EncodeOptions } from "../encode";
import { DataError } from "../errors";
import type { Tokenizer } from "../tokenizer";
import { missedMarkers, type Marker } from "./markers";
import { outlineOf, type RowOutline } from "./outline";
import { auditProblem, counted, type AuditProblem } from "./problems";

/** A data set as an audit reads it once, whatever the loss weights. */
export interface Scan {
  /** number of rows of the data set */
  rows: number;
  /** in tokens */
  maxLength: number;
  /** the rows that are trained on */
  outlines: RowOutline[];
  /** what is wrong whatever the weights */
  problems: AuditProblem[];
}

/** Rows that are encoded at once: no more than their tokens are held. */
const PORTION = 256;

/** A row of the data set: encoded, or with the reason why it cannot be. */
type ScannedRow = { row: number; refused: string } | { example: EncodedExample; doubled: boolean };

/**
 * Reads a data set portion by portion.
 * @param options as of training
 * @throws {DataError} if an option is invalid; rows that cannot be encoded are among the problems
 */
export function scanDataset(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
  markers: readonly Marker[],
): Scan {
  const { truncation, dropEmpty, ...whole } = options;
  const scan: Scan = { rows: rows.length, maxLength: options.maxLength, outlines: [], problems: [] };
  const firstRows = new Map<string, number>();
  for (const scanned of scannedRows(rows, tokenizer, whole)) {
    if ("refused" in scanned) {
      scan.problems.push(auditProblem("refused", scanned.refused, { row: scanned.row }));
      continue;
    }
    const { example, doubled } = scanned;
    const { row, ids, lostCompletionTokens: lost } = example;
    const outline = outlineOf(example);
    if (lost > 0 && (truncation === "drop" || (dropEmpty && !hasCompletion(outline)))) {
      const problem = `left out, since ${counted(lost, "answer token")} would be cut off`;
      scan.problems.push(auditProblem("dropped", problem, { row }));
      continue;
    }
    scan.outlines.push(outline);
    if (doubled) scan.problems.push(auditProblem("doubled-special-token", DOUBLED, { row }));
    scan.problems.push(...missedMarkers(ids, row, markers, tokenizer));
    const key = createHash("sha1").update(Int32Array.from(ids)).digest("base64");
    const first = firstRows.get(key);
    if (first === undefined) firstRows.set(key, row);
    else scan.problems.push(auditProblem("duplicate", `has the same tokens as row ${first}`, { row }));
  }
  return scan;
}

const DOUBLED = "a beginning- or end-of-sequence token stands twice in succession";

const hasCompletion = ({ stretches }: RowOutline): boolean => stretches.some(({ completion }) => completion);

/** Encodes every row as under the policy "truncate". */
function* scannedRows(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  options: Omit<EncodeOptions, "truncation" | "dropEmpty">,
): Generator<ScannedRow> {
  const encode = (portion: readonly unknown[]) => encodeDataset(portion as never, tokenizer, options);
  encode([]); // an option that is invalid is no row's fault
  for (let start = 0; start < rows.length; start += PORTION) {
    const portion = rows.slice(start, start + PORTION);
    const encoded = encodedOrWhy(() => encode(portion));
    if (typeof encoded !== "string") yield* scannedOf(encoded, start);
    else for (const [i, row] of portion.entries()) yield* scannedAlone(() => encode([row]), start + i);
  }
}

function scannedAlone(encode: () => EncodedDataset, row: number): ScannedRow[] {
  const encoded = encodedOrWhy(encode);
  return typeof encoded === "string" ? [{ row, refused: encoded }] : scannedOf(encoded, row);
}

function scannedOf({ examples, doubledSpecialTokens }: EncodedDataset, start: number): ScannedRow[] {
  const doubled = new Set(doubledSpecialTokens);
  return examples.map((example) => ({
    example: { ...example, row: start + example.row },
    doubled: doubled.has(example.row),
  }));
}

/** What a call returns, or why it refuses the rows. */
function encodedOrWhy(encode: () => EncodedDataset): EncodedDataset | string {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { problems, message } = error;
    if (problems.length === 0) return message;
    return problems.map(({ field, problem }) => (field === undefined ? problem : `${field} ${problem}`)).join("; ");
  }
}
