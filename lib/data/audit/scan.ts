import { createHash } from "node:crypto";
import type { Truncation } from "../encode";
import type { PARTS_OF } from "../part-weights";
import type { Tokenizer } from "../tokenizer";
import { encodedRowByRow, hasConversations, untaggedTemplate, type RowOptions } from "./encode-rows";
import { missedMarkers, type Marker } from "./markers";
import { outlineOf, type RowOutline } from "./outline";
import { auditProblem, counted, type AuditProblem } from "./problems";

/** How rows are encoded, and which are left out. */
export interface ScanOptions extends RowOptions {
  truncation?: Truncation;
  dropEmpty?: boolean;
}

/** A data set as an audit reads it once, whatever the loss weights. */
export interface Scan {
  /** of the data set */
  name: string;
  kind: keyof typeof PARTS_OF;
  /** number of rows of the data set */
  rows: number;
  /** in tokens */
  maxLength: number;
  /** the rows that are trained on, unless their weighting refuses them */
  outlines: RowOutline[];
  /** what is wrong whatever the weights */
  problems: AuditProblem[];
}

/**
 * Reads a data set portion by portion.
 * @param options as of training
 * @throws {DataError} if an option is invalid; rows that cannot be encoded are among the problems
 */
export function scanDataset(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  options: ScanOptions,
  markers: readonly Marker[],
): Scan {
  const { truncation, dropEmpty, ...whole } = options;
  const scan: Scan = {
    name: options.name ?? "dataset",
    kind: hasConversations(rows) ? "conversations" : "alpaca",
    rows: rows.length,
    maxLength: options.maxLength,
    outlines: [],
    problems: [],
  };
  const firstRows = new Map<string, number>();
  for (const encoded of encodedRowByRow(rows, tokenizer, whole)) {
    if ("refused" in encoded) {
      scan.problems.push(auditProblem("refused", encoded.refused, { row: encoded.row }));
      continue;
    }
    const { example, problems } = encoded;
    const { row, ids, lostCompletionTokens: lost } = example;
    const outline = outlineOf(example);
    if (lost > 0 && (truncation === "drop" || (dropEmpty && !hasCompletion(outline)))) {
      const problem = `left out, since ${counted(lost, "answer token")} would be cut off`;
      scan.problems.push(auditProblem("dropped", problem, { row }));
      continue;
    }
    scan.outlines.push(outline);
    scan.problems.push(...problems);
    scan.problems.push(...missedMarkers(ids, row, markers, tokenizer));
    const key = createHash("sha1").update(Int32Array.from(ids)).digest("base64");
    const first = firstRows.get(key);
    if (first === undefined) firstRows.set(key, row);
    else scan.problems.push(auditProblem("duplicate", `has the same tokens as row ${first}`, { row }));
  }
  const untagged = untaggedTemplate(rows, tokenizer, options);
  if (untagged) scan.problems.push(auditProblem("no-generation-tags", untagged));
  return scan;
}

const hasCompletion = ({ stretches }: RowOutline): boolean => stretches.some(({ completion }) => completion);
