import { oneOf } from "../data/validate";
import { checkOptions, checkValue, flag, numbers } from "../data/arguments";
import { DataError } from "../data/errors";

/** Options of {@link relativeStandardDeviation}. */
export interface StabilityOptions {
  /** standard deviation: `sample` divides by n − 1 (default), `population` by n */
  sd?: "sample" | "population";
  /** true: a window starts at every step (default, "all five-step windows"); false: windows do not overlap */
  overlapping?: boolean;
}

/** What the options of {@link relativeStandardDeviation} must be. */
export const STABILITY_OPTIONS = { sd: oneOf(["sample", "population"]), overlapping: flag };

/** Relative standard deviations (RSD) of the loss, as ratios (not in percent). */
export interface Stability {
  /** RSD of each window, in order of its first step */
  windows: number[];
  /** arithmetic mean over the windows */
  mean: number;
}

/**
 * Measures training-loss instability: the relative standard deviation (standard deviation / mean) of the loss within
 * every window of consecutive steps, and its mean over the windows. Scaling all losses by a positive factor does not
 * change the result.
 *
 * This is the quantity of the paper's section 5.3 and Figure 2a, "training loss relative standard deviation over all
 * five-step windows". The paper does not say which standard deviation it uses or whether windows overlap; the defaults
 * are n − 1 and sliding windows. If windows do not overlap, steps at the end that do not fill a window are ignored.
 *
 * @param losses finite training loss of each step, in step order
 * @param window steps per window, at least 2; default 5
 * @throws {DataError} if the window is not an integer of at least 2, there are fewer losses than one window, a loss is
 *   not finite, or the mean of a window is not positive (relative to a mean of zero or below, the standard deviation
 *   does not measure spread; the mean of a cross entropy is positive)
 */
export function relativeStandardDeviation(
  losses: readonly number[],
  window = 5,
  options: StabilityOptions = {},
): Stability {
  const { sd = "sample", overlapping = true } = checkOptions("relativeStandardDeviation", options, STABILITY_OPTIONS);
  checkValue("relativeStandardDeviation: losses", losses, numbers);
  if (!Number.isInteger(window) || window < 2) {
    throw new DataError(`relativeStandardDeviation: window is ${window}; it must be an integer of at least 2 steps`);
  }
  if (losses.length < window) {
    throw new DataError(`relativeStandardDeviation: there are ${losses.length} losses; one window needs ${window}`);
  }
  const invalid = losses.findIndex((loss) => !Number.isFinite(loss));
  if (invalid >= 0) {
    throw new DataError(`relativeStandardDeviation: loss ${invalid} is ${losses[invalid]}; every loss must be finite`);
  }

  const windows: number[] = [];
  for (let start = 0; start + window <= losses.length; start += overlapping ? 1 : window) {
    windows.push(windowRsd(losses.slice(start, start + window), sd, start));
  }
  return { windows, mean: windows.reduce((sum, value) => sum + value, 0) / windows.length };
}

/** Computes the RSD of one window; `start` is its first step, for the error message. */
function windowRsd(losses: number[], sd: "sample" | "population", start: number): number {
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  if (mean <= 0) {
    throw new DataError(
      `relativeStandardDeviation: the mean of losses ${start} to ${start + losses.length - 1} is ${mean}; ` +
        "a relative standard deviation requires a positive mean",
    );
  }
  const squares = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0);
  return Math.sqrt(squares / (sd === "sample" ? losses.length - 1 : losses.length)) / mean;
}
