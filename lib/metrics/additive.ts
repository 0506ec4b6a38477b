/**
 * A corpus metric split into segment statistics that can be added. The metric of any selection of segments is `score`
 * of the sum of their statistics, so resampling a corpus (bootstrap) costs only additions.
 */
export interface AdditiveMetric {
  /** statistics of each segment, all of the same length */
  segments: number[][];
  /**
   * Computes the metric.
   *
   * @param sum statistics summed over the selected segments
   */
  score(sum: readonly number[]): number;
}

/**
 * Sums segment statistics elementwise.
 *
 * @param segments statistics of at least one segment, all of the same length
 */
export function sumSegments(segments: readonly (readonly number[])[]): number[] {
  const sum = new Array<number>(segments[0].length).fill(0);
  for (const segment of segments) for (let i = 0; i < sum.length; i++) sum[i] += segment[i];
  return sum;
}
