import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  causeRows,
  effectsTable,
  normalizerEffects,
  variationRows,
  variationTable,
  type CauseRow,
} from "../../lib/analysis/cause-rows";
import { normalizersMissing } from "../../lib/analysis/normalizer-section";
import { threads } from "../../lib/model/tensorflow";
import { DigestCache } from "../../lib/runs/digests";
import { completeHyperparameters } from "../../lib/runs/hyperparameters";
import { resolveJob } from "../../lib/runs/job";
import { RunStore } from "../../lib/runs/store";
import { loadStudy } from "../../lib/sweep/study-file";
import { variantsOf, wantedRuns } from "../../lib/sweep/study";
import { trainJob } from "../../lib/train/train-job";
import { QUICK, temporaryFolder, tinyExamples, tinyModel } from "../runs/world";

/** Rows of two models and two seeds; `distance` gives the distance of a run. */
function rowsOf(
  { normalizers, variants, plws = [0, 0.1, 1] }: { normalizers: string[]; variants: string[]; plws?: number[] },
  distance: (run: { model: string; normalizer: string; variant: string; seed: number; plw: number }) => number,
): CauseRow[] {
  return ["one", "two"].flatMap((model) =>
    normalizers.flatMap((normalizer) =>
      variants.flatMap((variant) =>
        [1, 2].flatMap((seed) =>
          plws.map((plw) => ({
            model,
            dataset: "D",
            normalizer,
            variant,
            seed,
            plw,
            rsd: 0.1,
            promptRsd: null,
            completionRsd: 0.1,
            gradientNorm: 1,
            threshold: 1,
            clippedSteps: 0,
            distance: distance({ model, normalizer, variant, seed, plw }),
            shareAtStart: null,
            shareAtEnd: null,
            heldoutLoss: null,
          })),
        ),
      ),
    ),
  );
}

test("rows name the variant of a run; without clipping there is neither threshold nor share of clipped steps", async () => {
  const folder = temporaryFolder();
  const dir = tinyModel(join(folder, "start"), 1);
  const store = new RunStore(folder);
  const examples = tinyExamples(12, 3);
  const sets = { clipped: { maxGradientNorm: 1e-3 }, "not clipped": { maxGradientNorm: null } };
  const runs = [];
  for (const set of variantsOf({ variants: sets, hyperparameters: completeHyperparameters(QUICK) })) {
    const spec = { model: { name: "m", dir }, dataset: { name: "D", source: { examples } }, plw: 0.1, seed: 1, ...set };
    const job = resolveJob({ ...spec, normalizer: "tokens" }, folder, new DigestCache(folder), {
      device: "CPU",
      threads: threads(),
    });
    runs.push(await trainJob(job, store, {}));
  }
  const [clipped, unclipped] = causeRows(runs);
  assert.deepEqual(
    [clipped.variant, clipped.normalizer, clipped.threshold, clipped.clippedSteps],
    ["clipped", "tokens", 1e-3, 1],
  );
  assert.deepEqual([unclipped.variant, unclipped.threshold, unclipped.clippedSteps], ["not clipped", null, null]);
  assert.ok(clipped.distance > 0 && unclipped.distance > 0 && !("clipping" in clipped));
});

test("effects are computed within each variant, and against the first normalizer", () => {
  const rows = rowsOf({ normalizers: ["weights", "tokens"], variants: ["clipped", "not clipped"] }, (run) => {
    const change = run.variant === "clipped" ? 1 : run.normalizer === "tokens" ? 3 : 2;
    return (run.plw === 0 ? 1 : change) * (run.model === "one" ? 1 : 5) * (run.seed === 1 ? 1 : 7);
  });
  const effects = normalizerEffects(rows, "distance").filter(({ from }) => from === 0);
  assert.deepEqual(
    effects.map(({ variant, normalizer, units, change, beyond }) => [
      variant,
      normalizer,
      units,
      Math.round(change),
      beyond === null ? null : Math.round(beyond),
    ]),
    [
      ["clipped", "weights", 4, 0, null],
      ["clipped", "tokens", 4, 0, 0],
      ["not clipped", "weights", 4, 100, null],
      ["not clipped", "tokens", 4, 200, 50],
    ],
  );
  const measures = { distance: "distance" } as const;
  const several = effectsTable(rows, measures);
  assert.deepEqual(several[3], {
    PLW: "0 → 0.1",
    dataset: "D",
    variant: "not clipped",
    normalizer: "tokens",
    distance: "+200 % [+200, +200] *",
  });
  const single = effectsTable(
    rows.filter(({ variant }) => variant === "clipped"),
    measures,
  );
  assert.deepEqual(Object.keys(single[0]), ["PLW", "dataset", "normalizer", "distance"]);
});

test("the variation is divided within each variant", () => {
  const rows = rowsOf(
    { normalizers: ["weights", "tokens"], variants: ["a", "b"], plws: [0, 0.1, 0.5, 1] },
    ({ model, variant, normalizer, plw, seed }) =>
      (variant === "a" ? 1 + plw : normalizer === "tokens" ? 3 : 1) * (model === "one" ? 2 : 1) * (seed === 1 ? 1 : 3) +
      1e-6 * (seed + plw + (model === "one" ? 1 : 2) * (normalizer === "tokens" ? 1 : 2)),
  );
  const measures = { distance: "distance" } as const;
  const shares = variationRows(rows, measures).map(({ variant, source, share }) => [
    variant,
    source,
    Number(share.toFixed(3)),
  ]);
  assert.deepEqual(shares, [
    ["a", "weight", 1],
    ["a", "normalizer", 0],
    ["a", "weight × normalizer", 0],
    ["a", "rest", 0],
    ["b", "weight", 0],
    ["b", "normalizer", 1],
    ["b", "weight × normalizer", 0],
    ["b", "rest", 0],
  ]);
  assert.deepEqual(
    variationTable(rows, measures).map(({ measure, variant, weight }) => [measure, variant, weight]),
    [
      ["distance", "a", "100.0 % *"],
      ["distance", "b", "0.0 %"],
    ],
  );
  const one = rows.filter(({ variant }) => variant === "a");
  assert.ok(variationTable(one, measures).every((row) => !("variant" in row)));
});

test("a study with one normalizer says how to get several; the study of normalizers has 256 runs in two variants", () => {
  assert.equal(
    normalizersMissing({ name: "mine", normalizers: ["tokens"] }),
    "Study mine has one normalizer (tokens), so there is nothing to compare. Add " +
      '"normalizers": ["weights", "tokens", "completion", "sequence"] to its file, or open the study that compares ' +
      "them: npm start -- --study studies/normalizers.json.",
  );
  const study = loadStudy("studies/normalizers.json");
  assert.equal(normalizersMissing(study), "");
  const runs = wantedRuns(study);
  assert.equal(runs.length, 256);
  for (const [variant, norm] of [
    ["clipped", 1],
    ["not clipped", null],
  ] as const) {
    const ofVariant = runs.filter((run) => run.variant === variant);
    assert.equal(ofVariant.length, 128);
    assert.ok(ofVariant.every(({ hyperparameters }) => hyperparameters.maxGradientNorm === norm));
  }
});
