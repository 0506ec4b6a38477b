/** One array a reference stream, as sacreBLEU takes them: `references[stream][segment]`; null where a stream has none. */
export type References = readonly (readonly (string | null)[])[];

/** The references of each segment, and how many there are: "var" where segments differ. */
export interface SegmentReferences {
  segments: string[][];
  count: number | "var";
}

/**
 * Turns reference streams into the references of each segment. An empty string is a reference; null is none.
 *
 * Stricter than sacreBLEU, which drops segments without a word where a stream is shorter than the hypotheses.
 *
 * @param metric the name that errors begin with
 * @throws RangeError for no segments, streams of another length than the hypotheses or a segment without reference;
 *   TypeError for what is not text, with its place
 */
export function segmentReferences(
  metric: string,
  hypotheses: readonly string[],
  references: References,
): SegmentReferences {
  if (!Array.isArray(hypotheses)) throw new TypeError(`${metric}: hypotheses must be an array of strings`);
  if (hypotheses.length === 0) throw new RangeError(`${metric}: there are no hypotheses`);
  const bad = hypotheses.findIndex((text) => typeof text !== "string");
  if (bad >= 0) throw new TypeError(`${metric}: hypothesis ${bad} is ${hypotheses[bad]}; it must be a string`);
  if (!Array.isArray(references) || references.length === 0) {
    throw new TypeError(`${metric}: references must be an array of reference streams, [references] for a single one`);
  }
  for (const [stream, lines] of references.entries()) checkStream(metric, stream, lines, hypotheses.length);

  const segments = hypotheses.map((_, row) => {
    return references.map((lines) => lines[row]).filter((text): text is string => text !== null);
  });
  const without = segments.findIndex((texts) => texts.length === 0);
  if (without >= 0) throw new RangeError(`${metric}: segment ${without} has no reference in any stream`);
  const counts = new Set(segments.map((texts) => texts.length));
  return { segments, count: counts.size === 1 ? segments[0].length : "var" };
}

function checkStream(metric: string, stream: number, lines: unknown, rows: number): void {
  if (!Array.isArray(lines)) {
    throw new TypeError(
      `${metric}: references[${stream}] is no array; give one array a reference stream, [references] for a single one`,
    );
  }
  if (lines.length !== rows) {
    throw new RangeError(`${metric}: references[${stream}] has ${lines.length} lines for ${rows} hypotheses`);
  }
  const bad = lines.findIndex((text) => typeof text !== "string" && text !== null);
  if (bad >= 0)
    throw new TypeError(
      `${metric}: references[${stream}][${bad}] is ${lines[bad]}; it must be a string, or null for none`,
    );
}
