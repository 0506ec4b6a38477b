import { seededRandom } from "../../lib/data/random";
import { PAPER_WEIGHTS } from "../../lib/data/prompt-loss-weight";
import type { StabilityRow, DistanceRow, LossRow } from "../../lib/analysis/run-rows";

// Synthetic rows, reproducible: three data sets, two models and the paper's prompt loss weights.

/** Data sets of all fixture rows. */
export const DATASETS = ["Long", "Short", "Tiny"];
/** Models of all fixture rows. */
export const MODELS = ["one", "two"];

const grid = DATASETS.flatMap((dataset) =>
  MODELS.flatMap((model) =>
    PAPER_WEIGHTS.map((plw) => ({ dataset, model, plw, normalizer: "weights", variant: "default", seed: 42 })),
  ),
);
const random = seededRandom("figure rows");

/** 20 windows per run, for Figure 2a. */
export const stability: StabilityRow[] = grid.flatMap((run) =>
  Array.from({ length: 20 }, (_, i) => ({ ...run, step: i + 1, rsd: 0.1 + 0.1 * random() })),
);
/** One distance per run, for Figure 2b. */
export const distances: DistanceRow[] = grid.map((run) => ({ ...run, distance: 3 + run.plw + random() }));
/** 30 steps per run; the fourth has no prompt tokens. */
export const losses: LossRow[] = grid.flatMap((run) =>
  Array.from({ length: 30 }, (_, i) => ({
    ...run,
    step: i + 1,
    loss: 1 + random(),
    promptLoss: i === 3 ? null : 2 + random(),
    completionLoss: 1 + random(),
  })),
);
