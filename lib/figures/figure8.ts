import type { RatioFit } from "../analysis/ratio-fits";
import type { Figure } from "./figure";
import { drawRatioContour } from "./ratio-contour";

/** Figure 8, the interaction over the multiple choice benchmarks. `fit` is the group MC of `fitRatios`. @throws RangeError where that group could not be fitted */
export function figure8(fit: RatioFit): Figure {
  return drawRatioContour(fit, { name: "figure8", caption: "The interaction over the multiple choice benchmarks." });
}
