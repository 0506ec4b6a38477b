/**
 * A corpus metric in parts: statistics of each segment, all of the same length, which add up over any choice of
 * segments, and the score of such a sum. Resampling a corpus then costs additions only.
 */
export interface AdditiveMetric {
  segments: number[][];
  score(sum: readonly number[]): number;
}

/** Statistics summed over segments; at least one. */
export function sumSegments(segments: readonly (readonly number[])[]): number[] {
  const sum = new Array<number>(segments[0].length).fill(0);
  for (const segment of segments) for (let i = 0; i < sum.length; i++) sum[i] += segment[i];
  return sum;
}
