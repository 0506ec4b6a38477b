import { DataError } from "../data/errors";

/**
 * Reference texts as in sacreBLEU: `references[stream][segment]`, one array per reference stream. Null means that the
 * stream has no reference for the segment; an empty string is a reference of length 0.
 */
export type References = readonly (readonly (string | null)[])[];

/** Reference texts by segment. */
export interface SegmentReferences {
  /** `segments[segment]`: at least one reference text */
  segments: string[][];
  /** number of references per segment; "var" if it differs between segments */
  count: number | "var";
}

/**
 * Checks hypotheses and reference streams, and regroups the references by segment.
 *
 * This is stricter than sacreBLEU, which silently drops segments if a stream is shorter than the hypotheses.
 *
 * @param metric name of the calling function, which starts the error messages
 * @param hypotheses one text per segment
 * @throws {DataError} if there are no hypotheses, a stream does not have one entry per hypothesis, or a segment has no
 *   reference
 * @throws {DataError} if an argument is not an array or an entry is not a string; names its position
 */
export function segmentReferences(
  metric: string,
  hypotheses: readonly string[],
  references: References,
): SegmentReferences {
  if (!Array.isArray(hypotheses)) throw new DataError(`${metric}: hypotheses must be an array of strings`);
  if (hypotheses.length === 0) throw new DataError(`${metric}: there are no hypotheses`);
  const invalid = hypotheses.findIndex((text) => typeof text !== "string");
  if (invalid >= 0)
    throw new DataError(`${metric}: hypothesis ${invalid} is ${hypotheses[invalid]}; it must be a string`);
  if (!Array.isArray(references) || references.length === 0) {
    throw new DataError(
      `${metric}: references must be an array of reference streams; pass [references] for a single stream`,
    );
  }
  for (const [stream, lines] of references.entries()) checkStream(metric, stream, lines, hypotheses.length);

  const segments = hypotheses.map((_, row) => {
    return references.map((lines) => lines[row]).filter((text): text is string => text !== null);
  });
  const missing = segments.findIndex((texts) => texts.length === 0);
  if (missing >= 0) throw new DataError(`${metric}: segment ${missing} has no reference in any stream`);
  const counts = new Set(segments.map((texts) => texts.length));
  return { segments, count: counts.size === 1 ? segments[0].length : "var" };
}

function checkStream(metric: string, stream: number, lines: unknown, rows: number): void {
  if (!Array.isArray(lines)) {
    throw new DataError(
      `${metric}: references[${stream}] is not an array; ` +
        "pass one array per reference stream, [references] for a single stream",
    );
  }
  if (lines.length !== rows) {
    throw new DataError(`${metric}: references[${stream}] has ${lines.length} entries for ${rows} hypotheses`);
  }
  const invalid = lines.findIndex((text) => typeof text !== "string" && text !== null);
  if (invalid >= 0)
    throw new DataError(
      `${metric}: references[${stream}][${invalid}] is ${lines[invalid]}; ` +
        "it must be a string, or null for no reference",
    );
}
