import type { RatioFit } from "../analysis/ratio-fits";
import type { Figure } from "./figure";
import { drawRatioContour } from "./ratio-contour";

/** Figure 9, the interaction over the generation benchmarks but translation. `fit` is the group Gen of `fitRatios`. @throws RangeError where that group could not be fitted */
export function figure9(fit: RatioFit): Figure {
  return drawRatioContour(fit, { name: "figure9", caption: "The interaction over the generation benchmarks but translation." });
}
