import type { RatioFit } from "../analysis/ratio-fits";
import type { Figure } from "./figure";
import { drawRatioContour } from "./ratio-contour";

/** Figure 3, the interaction of generation ratio and prompt loss weight over all benchmarks. `fit` is the group All of `fitRatios`. @throws RangeError where that group could not be fitted */
export function figure3(fit: RatioFit): Figure {
  return drawRatioContour(fit, { name: "figure3", caption: "The interaction of generation ratio and prompt loss weight over all benchmarks." });
}
