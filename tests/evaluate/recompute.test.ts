// Compares RSD, weight distance and BLEU of stored runs with recompute.py, which applies NumPy and sacreBLEU to the
// stored files.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { evaluateRuns } from "../../lib/evaluate/evaluate-runs";
import { distanceRows, stabilityRows } from "../../lib/analysis/run-rows";
import { heldoutFiles } from "../../lib/sweep/study";
import { loadStudy } from "../../lib/sweep/study-file";
import { sweep } from "../../lib/sweep/sweep";
import { writeTinyNormalizers } from "../notebooks/tiny-study";
import { temporaryFolder } from "../runs/world";

const ROOT = join(__dirname, "..", "..");
const PYTHONS = [process.env.PROMPTLOSS_REFERENCE_PYTHON, join(ROOT, ".venv", "bin", "python"), "python3"].filter(
  (path) => path !== undefined,
);
const python = PYTHONS.find(
  (path) =>
    (path === "python3" || existsSync(path)) &&
    spawnSync(path, ["-c", "import numpy, sacrebleu, safetensors"]).status === 0,
);
const skip =
  python === undefined &&
  "needs a Python with numpy, sacrebleu and safetensors; set its path in PROMPTLOSS_REFERENCE_PYTHON";

test(
  "stored runs: RSD, weight distance and BLEU equal those of NumPy and sacreBLEU to 1e-6",
  { skip, timeout: 180_000 },
  async () => {
    const store = temporaryFolder();
    const study = { ...loadStudy(writeTinyNormalizers(store)), plws: [0, 0.1], seeds: [42] };
    const runs = await sweep({ study, store: join(store, "runs"), workers: 2 });
    const tasks = ["memorization", "memorization-heldout"];
    const scores = await evaluateRuns(runs, tasks, { heldout: heldoutFiles(study, join(store, "runs")), workers: 2 });
    const { stdout, stderr } = spawnSync(python!, [join(__dirname, "recompute.py"), ...runs.map(({ dir }) => dir)], {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const reference = JSON.parse(stdout || assert.fail(stderr)) as Record<
      string,
      { rsd: number; completionRsd: number; distance: number; bleu: Record<string, number> }
    >;
    const near = (actual: number, expected: number, label: string) =>
      assert.ok(
        Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
        `${label}: ${actual} instead of ${expected}`,
      ); // observed: 2e-15; BLEU 2e-14
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.equal(runs.length, 8);
    for (const [i, run] of runs.entries()) {
      const expected = reference[run.id];
      near(mean(stabilityRows([run]).map(({ rsd }) => rsd)), expected.rsd, `${run.name}, RSD`);
      near(
        mean(stabilityRows([run], { loss: "completionLoss" }).map(({ rsd }) => rsd)),
        expected.completionRsd,
        `${run.name}, RSD of completions`,
      );
      near(distanceRows([run])[0].distance, expected.distance, `${run.name}, distance`);
      assert.deepEqual(Object.keys(expected.bleu).sort(), tasks);
      for (const { task, metrics } of scores[i].results)
        near(metrics.bleu, expected.bleu[task], `${run.name}, BLEU on ${task}`);
    }
  },
);
