// The study on real data, scaled down: every step from real rows to the figures' numbers, with the full study's code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readExamples } from "../../lib/data/example";
import { countTokens, describeDataset } from "../../lib/data/statistics";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { distanceRows, stabilityRows } from "../../lib/analysis/run-rows";
import { studyExamples } from "../../lib/sweep/study";
import { loadStudy } from "../../lib/sweep/study-file";
import { sweep } from "../../lib/sweep/sweep";
import { temporaryFolder } from "../runs/world";
import { needsShared, SHARED } from "../support/shared";
import { writeRealStudy } from "./real-study";

test(
  "real rows and a real model: Table 1's rows, and runs by weight and normalizer",
  { ...needsShared("models"), timeout: 400_000 },
  async () => {
    const folder = temporaryFolder();
    const study = loadStudy(writeRealStudy(folder, { rows: 100, maxSteps: 4 }));
    const tokenizer = loadTokenizer(study.models.stories260K);

    const rows = studyExamples(study, "AlpacaData");
    const reference = JSON.parse(
      readFileSync(join(SHARED, "reference", "tokens", "counts_tok512_alpagasus_random_9k.json"), "utf8"),
    ) as { instruction: number[]; input: number[]; output: number[] };
    const all = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json")).map((row) =>
      JSON.stringify(row),
    );
    const indices = rows.map((row) => all.indexOf(JSON.stringify(row)));
    assert.deepEqual(countTokens(rows, tokenizer), {
      instruction: indices.map((i) => reference.instruction[i]),
      input: indices.map((i) => reference.input[i]),
      completion: indices.map((i) => reference.output[i]),
    });
    const ratio = (dataset: string) => describeDataset(studyExamples(study, dataset), tokenizer).generationRatio;
    assert.ok(
      ratio("AlpacaDataCleaned") > 3 && ratio("AlpacaDataShort") < 0.25,
      `${ratio("AlpacaDataCleaned")}, ${ratio("AlpacaDataShort")}`,
    );

    const runs = await sweep({
      study: { ...study, datasets: { AlpacaDataShort: study.datasets.AlpacaDataShort } },
      store: join(folder, "runs"),
    });
    assert.equal(runs.length, 8);
    const first = Object.fromEntries(
      runs.map(({ recipe, records }) => [`${recipe.normalizer} ${recipe.plw}`, records[0]]),
    );
    assert.equal(first["weights 1"].loss, first["tokens 1"].loss, "at PLW 1 both normalizers divide by the same count");
    assert.equal(first["weights 0"].loss, first["tokens 0"].loss, "at PLW 0 both normalizers divide by the same count");
    assert.ok(
      first["tokens 0.0005"].loss < 0.3 * first["weights 0.0005"].loss,
      "on these rows, counting prompt tokens makes the denominator several times larger",
    );
    assert.ok(
      stabilityRows(runs).every(({ rsd }) => rsd > 0) && distanceRows(runs).every(({ distance }) => distance > 0),
    );
  },
);
