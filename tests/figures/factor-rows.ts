// Synthetic rows of a study that crosses all factors, reproducible: no combination is missing, all values differ.
import type { CauseRow } from "../../lib/analysis/cause-rows";
import type { GenerationLengthRow, MemorizationRow } from "../../lib/analysis/generation-rows";
import { POCKET_BENCHMARKS } from "../../lib/analysis/benchmarks";
import type { DistancePartRow, DistanceRow, LossRow, RunFactors, StabilityRow } from "../../lib/analysis/run-rows";
import type { ScoreRow } from "../../lib/analysis/score-rows";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import { seededRandom } from "../../lib/data/random";

/** Levels of the factors, crossed with each other. */
export interface Factors {
  datasets: string[];
  models: string[];
  normalizers: string[];
  variants: string[];
  seeds: number[];
  plws: number[];
}

/** 2 normalizers × 2 variants × 3 data sets × 3 models × 2 seeds × 4 PLWs. */
export const CROSSED: Factors = {
  datasets: ["Long", "Medium", "Tiny"],
  models: ["small", "middle", "large"],
  normalizers: ["weights", "tokens"],
  variants: ["lr 1e-4", "lr 1e-3"],
  seeds: [42, 43],
  plws: [0, 0.01, 0.1, 1],
};

/** Generation ratios of the data sets. */
const RATIOS = [8, 1, 0.05, 0.3, 2];

/** A benchmark that is in none of the paper's groups. */
const OWN = { name: "my-task", task: "my-task", type: null, group: null, metrics: ["acc"] };

/** Every combination of the factors, and an effect of each on the values. */
function runsOf({
  datasets,
  models,
  normalizers,
  variants,
  seeds,
  plws,
}: Factors): (RunFactors & { effect: number })[] {
  const random = seededRandom("factor rows");
  return datasets.flatMap((dataset, d) =>
    models.flatMap((model, m) =>
      normalizers.flatMap((normalizer, n) =>
        variants.flatMap((variant, v) =>
          seeds.flatMap((seed) =>
            plws.map((plw) => {
              const bend = (1 - 0.6 * v) * Math.sin(3 * transformWeight(plw) + d) * (n + 1);
              return { model, dataset, normalizer, variant, seed, plw, effect: bend + m + 0.3 * random() };
            }),
          ),
        ),
      ),
    ),
  );
}

/** All rows that figures of such a study show. */
export function factorRows(factors: Factors = CROSSED): {
  scores: ScoreRow[];
  stability: StabilityRow[];
  distances: DistanceRow[];
  distanceParts: DistancePartRow[];
  memorization: MemorizationRow[];
  generationLengths: GenerationLengthRow[];
  losses: LossRow[];
  causes: CauseRow[];
} {
  const random = seededRandom("values");
  const runs = runsOf(factors).map(({ effect, ...run }) => ({ run, effect }));
  return {
    scores: runs.flatMap(({ run, effect }) =>
      [...POCKET_BENCHMARKS, OWN].map(({ name, task, type, group, metrics }, b): ScoreRow => ({
        run: "",
        ...run,
        generationRatio: RATIOS[factors.datasets.indexOf(run.dataset)],
        task,
        benchmark: name,
        type,
        group,
        metric: metrics[0],
        score: 30 + 3 * b + 4 * effect + 2 * random(),
        standardError: 1,
      })),
    ),
    stability: runs.flatMap(({ run, effect }) =>
      Array.from({ length: 8 }, (_, i) => ({ ...run, step: i + 1, rsd: 0.1 + 0.02 * effect + 0.1 * random() })),
    ),
    distances: runs.map(({ run, effect }) => ({ ...run, distance: 4 + effect })),
    distanceParts: runs.flatMap(({ run, effect }) =>
      (
        [
          ["layer", "embedding"],
          ["layer", "layer 0"],
          ["kind", "q_proj"],
          ["kind", "final norm"],
        ] as const
      ).map(([by, part], i) => ({ ...run, by, part, distance: (4 + effect) / (i + 1) })),
    ),
    memorization: runs.flatMap(({ run, effect }) =>
      (["training", "held-out"] as const).map((prompts): MemorizationRow => ({
        ...run,
        prompts,
        items: 64,
        bleu: 10 + effect,
        bleuError: 1,
        exactMatch: 4 + effect,
        exactMatchError: 1,
      })),
    ),
    generationLengths: runs.flatMap(({ run, effect }) =>
      Array.from({ length: 6 }, (_, id): GenerationLengthRow => ({
        ...run,
        task: "pocket-pandalm",
        benchmark: "Pocket Writing",
        id,
        tokens: Math.round(30 + 4 * effect + 20 * random()),
        ended: id > 0,
        limit: 160,
      })),
    ),
    losses: runs.flatMap(({ run, effect }) =>
      Array.from({ length: 12 }, (_, i): LossRow => ({
        ...run,
        step: i + 1,
        loss: 3 + effect / 4 - i / 10,
        promptLoss: 3 + effect / 3 - i / 10,
        completionLoss: 3 + effect / 2 - i / 10,
      })),
    ),
    causes: runs.map(({ run, effect }): CauseRow => ({
      ...run,
      rsd: 0.1 + effect / 50,
      promptRsd: 0.1 + effect / 40,
      completionRsd: 0.1 + effect / 30,
      gradientNorm: 2 + effect,
      threshold: 1,
      clippedSteps: 0.5,
      distance: 4 + effect,
      shareAtStart: 0.5,
      shareAtEnd: 0.4 + effect / 50,
      heldoutLoss: 40 + effect,
    })),
  };
}
