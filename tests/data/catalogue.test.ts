import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DATASETS, datasetEntry, MODELS } from "../../lib/data/catalogue";
import { sha256 } from "../../lib/data/digest";
import { allTasks } from "../../lib/evaluate/registry";
import { needsShared, SHARED } from "../support/shared";

test("the catalogue has the paper's two published instruction datasets and its thirteen benchmarks", () => {
  assert.deepEqual(
    DATASETS.map(({ name }) => name),
    [
      "AlpacaData",
      "AlpacaDataCleaned",
      "ARC Challenge",
      "PIQA",
      "TruthfulQA",
      "WinoGrande",
      "WMT14",
      "WMT16",
      "Alpaca Eval",
      "PandaLM",
    ],
  );
  assert.equal(datasetEntry("alpacadatacleaned").revision, "791174f"); // C.1
  assert.equal(datasetEntry("PandaLM").revision, "eb758c4"); // C.2
  assert.deepEqual(
    MODELS.map(({ license }) => license.paper),
    ["LLaMA License", "LLaMA 2 Community License", "Apache 2.0"],
  );
});

test("entries are well formed, and no two files have the same local path", () => {
  const paths = DATASETS.flatMap(({ files }) => files.map(({ saveAs }) => saveAs));
  assert.equal(new Set(paths).size, paths.length);
  for (const { name, repository, revision, files, license } of DATASETS) {
    assert.match(repository, /^[\w.-]+\/[\w.-]+$/, name);
    assert.match(revision, /^(main|[0-9a-f]{7}|[0-9a-f]{40})$/, name);
    assert.ok(files.length > 0, name);
    for (const file of files) {
      assert.match(file.sha256 ?? "0".repeat(64), /^[0-9a-f]{64}$/, file.path);
      assert.ok(file.bytes === null || file.bytes > 0);
    }
    if (license.paper !== license.stated) assert.ok(license.note, `${name}: the licenses differ without a note`);
  }
});

test("benchmarks are saved at the paths that evaluate reads", () => {
  const savedPaths = DATASETS.flatMap(({ files }) =>
    files.map(({ saveAs }) => saveAs.replace(/(-00000-of-00001)?\.\w+$/, "")),
  );
  for (const name of [
    "arc_challenge",
    "piqa",
    "truthfulqa_mc2",
    "truthfulqa_gen",
    "winogrande",
    "wmt14-en-fr",
    "wmt14-fr-en",
    "wmt16-en-de",
    "wmt16-de-en",
    "wmt16-en-ro",
    "wmt16-ro-en",
  ]) {
    const task = allTasks().find((known) => known.name === name)!;
    const requiredFiles = [...(task.data.items as string[][]), ...(task.shots > 0 ? [task.data.shots] : [])];
    for (const candidates of requiredFiles)
      assert.ok(
        candidates.some((path) => savedPaths.includes(path)),
        `${name}: none of ${candidates.join(", ")}`,
      );
  }
});

test(
  "PandaLM's size and digest equal those of the shared copy",
  needsShared("data", "pandalm", "testset-inference-v1.json"),
  () => {
    const [file] = datasetEntry("PandaLM").files;
    const bytes = readFileSync(join(SHARED, "data", "pandalm", "testset-inference-v1.json"));
    assert.deepEqual([bytes.length, sha256(bytes)], [file.bytes, file.sha256]);
  },
);
