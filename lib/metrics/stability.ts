/** How the windows of {@link relativeStandardDeviation} are taken. */
export interface StabilityOptions {
  /** `sample` divides by n - 1 (the default), `population` by n. */
  sd?: "sample" | "population";
  /** Whether a window starts at every step (the default: "all five-step windows") or where the last one ended. */
  overlapping?: boolean;
}

/** RSD of every window in order of its first step, and their arithmetic mean. Ratios, not per cent. */
export interface Stability {
  windows: number[];
  mean: number;
}

/**
 * Training-loss instability: the relative standard deviation (standard deviation / mean) of the loss within
 * every window of `window` consecutive steps, and the mean over the windows.
 *
 * This is the quantity of the paper's section 5.3 and Figure 2a, "training loss relative standard deviation
 * over all five-step windows". The paper does not say which standard deviation or whether windows overlap;
 * the defaults are n - 1 and sliding windows. Steps that do not fill a last window are left out when windows
 * do not overlap. Scaling all losses by a positive factor changes nothing.
 *
 * @param losses one loss a step, in step order; finite
 * @param window steps a window, at least 2
 * @throws RangeError for a window that is no integer ≥ 2, fewer losses than one window, a loss that is not
 *   finite, or a window whose mean is not positive (a ratio to zero or to a negative mean says nothing about
 *   spread; cross entropy never has one)
 */
export function relativeStandardDeviation(
  losses: readonly number[],
  window = 5,
  { sd = "sample", overlapping = true }: StabilityOptions = {},
): Stability {
  if (!Number.isInteger(window) || window < 2) {
    throw new RangeError(`relativeStandardDeviation: window is ${window}; it must be an integer of at least 2 steps`);
  }
  if (losses.length < window) {
    throw new RangeError(
      `relativeStandardDeviation: ${losses.length} losses do not fill one window of ${window} steps`,
    );
  }
  const bad = losses.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0)
    throw new RangeError(`relativeStandardDeviation: loss ${bad} is ${losses[bad]}; every loss must be finite`);

  const windows: number[] = [];
  for (let start = 0; start + window <= losses.length; start += overlapping ? 1 : window) {
    windows.push(windowDeviation(losses.slice(start, start + window), sd, start));
  }
  return { windows, mean: windows.reduce((sum, value) => sum + value, 0) / windows.length };
}

function windowDeviation(losses: number[], sd: "sample" | "population", start: number): number {
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  if (mean <= 0) {
    throw new RangeError(
      `relativeStandardDeviation: the mean of losses ${start} to ${start + losses.length - 1} is ${mean}; ` +
        "a relative deviation needs a positive mean",
    );
  }
  const squares = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0);
  return Math.sqrt(squares / (sd === "sample" ? losses.length - 1 : losses.length)) / mean;
}
