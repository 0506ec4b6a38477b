import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { catalogueEntryOfTask, DATASETS, datasetEntry, MODELS } from "../../lib/data/catalogue";
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
  assert.match(datasetEntry("alpacadatacleaned").note!, /The paper names commit 791174f/); // C.1
  assert.equal(datasetEntry("PandaLM").revision, "eb758c4"); // C.2
  assert.deepEqual(
    MODELS.map(({ license }) => license.paper),
    ["LLaMA License", "LLaMA 2 Community License", "Apache 2.0"],
  );
});

test("entries are well formed, and no two files have the same local path", () => {
  const paths = DATASETS.flatMap(({ files }) => files.map(({ saveAs }) => saveAs));
  assert.equal(new Set(paths).size, paths.length);
  for (const { name, source, repository, revision, files, license } of DATASETS) {
    assert.match(repository, /^[\w.-]+\/[\w.-]+$/, name);
    assert.match(revision, source === "hub" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{7}$/, name); // a commit
    assert.ok(files.length > 0, name);
    for (const file of files) {
      assert.match(file.sha256 ?? "0".repeat(64), /^[0-9a-f]{64}$/, file.path);
      assert.ok(file.bytes === null || file.bytes > 0);
    }
    if (license.paper !== license.stated) assert.ok(license.note, `${name}: the licenses differ without a note`);
  }
});

test("every task with published data has an entry, which saves its files where evaluate reads them", () => {
  const withoutData = /^(pocket|memorization|heldout)/;
  const tasks = allTasks().filter(({ name }) => !withoutData.test(name));
  assert.ok(tasks.length >= 17, tasks.map(({ name }) => name).join(", "));
  for (const { name, data, shots } of tasks) {
    const saved = catalogueEntryOfTask(name)?.files.map(({ saveAs }) => saveAs.replace(/(-00000-of-00001)?\.\w+$/, ""));
    assert.ok(saved, `${name}: no entry`);
    const requiredFiles = [...(data.items as string[][]), ...(shots > 0 ? [data.shots] : [])];
    for (const candidates of requiredFiles)
      assert.ok(
        candidates.some((path) => saved.includes(path)),
        `${name}: none of ${candidates.join(", ")}`,
      );
  }
});

test("a task's version does not matter for its data, and pocket tasks have none", () => {
  assert.equal(catalogueEntryOfTask("arc_challenge"), datasetEntry("ARC Challenge"));
  assert.equal(catalogueEntryOfTask("piqa@b281b09"), datasetEntry("PIQA"));
  assert.equal(catalogueEntryOfTask("wmt16-de-en"), datasetEntry("WMT16"));
  assert.equal(catalogueEntryOfTask("pocket-arc"), undefined);
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
