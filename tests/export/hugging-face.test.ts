import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readExamples } from "../../lib/data/example";
import { loadModel } from "../../lib/model/causal-lm";
import {
  dataCard,
  modelCard,
  writeDatasetDirectoryForHub,
  writeModelDirectoryForHub,
} from "../../lib/export/hugging-face";
import { parseStudy } from "../../lib/sweep/study-file";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const store = temporaryFolder();
const model = tinyModel(join(store, "start"), 1);
const EVIL = "<script>alert(1)</script> ``` | *";
const rows = tinyExamples(8, 3).map((row, i) =>
  i === 0 ? { ...row, instruction: `${EVIL} ${row.instruction}`, output: `${EVIL}\n\`\`\`\n<b>` } : row,
);
const file = writeJson(join(store, "data.json"), rows);

/** Parses front matter, whose values are JSON. */
function frontMatter(card: string): Record<string, unknown> {
  const [, matter] = /^---\n([^]*?)\n---\n/.exec(card)!;
  return Object.fromEntries(
    matter.split("\n").map((line) => [line.slice(0, line.indexOf(":")), JSON.parse(line.slice(line.indexOf(":") + 1))]),
  );
}

/** The text that Markdown renders: without front matter and code. */
const prose = (card: string): string =>
  card
    .replace(/^---\n[^]*?\n---\n/, "")
    .replace(/^(`{3,})\n[^]*?\n\1$/gm, "")
    .replace(/`[^`\n]*`/g, "");

test(
  "a run as a directory for the Hub: weights load, the card describes the run, names are escaped",
  { timeout: 120_000 },
  async () => {
    const run = (
      await train({ model, examples: file, dataset: "Data", plw: 0.25, store, hyperparameters: QUICK })
    ).named({ model: { name: "<img src=x>" }, data: { name: EVIL } });
    const scores = {
      run,
      results: [
        {
          task: "pocket-piqa",
          version: "1.0",
          harness: "0.4.13" as const,
          shots: 0,
          limit: null as number | null,
          format: "harness" as const,
          template: null,
          judge: null,
          maxNewTokens: null,
          data: "",
          metrics: { acc: 0.75 },
          standardErrors: { acc: 0.02 },
          truncatedRequests: 0,
          unfinished: 0,
          leftOut: [],
          items: 4,
        },
      ],
    };
    const [pocket] = scores.results;
    scores.results.push({ ...pocket, task: "piqa" }, { ...pocket, task: "winogrande", limit: 4 });
    const study = parseStudy(
      {
        name: "s",
        models: { "<img src=x>": model },
        datasets: { [EVIL]: { path: file } },
        licenses: { "<img src=x>": "apache-2.0", [EVIL]: "cc-by-4.0" },
      },
      "test",
    );
    const dir = writeModelDirectoryForHub(study, run, join(store, "hub", "run"), {
      baseModel: "someone/start",
      languages: ["en"],
      scores,
    });
    const card = readFileSync(join(dir, "README.md"), "utf8");
    const matter = frontMatter(card);
    assert.deepEqual(
      [matter.license, matter.base_model, matter.language, matter.library_name],
      ["apache-2.0", "someone/start", ["en"], "transformers"],
    );
    // of the pocket benchmark, all items of a real one, and the first four of another, only the second is comparable
    const [{ results }] = matter["model-index"] as { results: { dataset: unknown; metrics: unknown[] }[] }[];
    assert.deepEqual(
      results.map(({ dataset, metrics }) => [dataset, metrics]),
      [[{ name: "PIQA", type: "piqa" }, [{ type: "acc", value: 75 }]]],
    );
    assert.match(
      card,
      /prompt loss weight 0\.25[^]*normalizer `weights`[^]*\| Pocket Ways \| pocket-piqa \| 4 \| acc /,
    );
    assert.match(card, /\| WinoGrande \| winogrande \| the first 4 \| acc \| 75\.00 \| 2\.00 \|/);
    assert.match(card, /Initial weights \(&lt;img src=x&gt;\): apache-2\.0\. Training data \(.*\): cc-by-4\.0\./);
    assert.match(card, new RegExp(run.record.weights!.sha256));
    assert.doesNotMatch(prose(card), /<(?!!)/, "no HTML");
    for (const name of ["config.json", "model.safetensors", "tokenizer.json", "training.json"])
      assert.ok(existsSync(join(dir, name)), name);
    assert.ok(!readFileSync(join(dir, "training.json"), "utf8").includes(store), "no local paths");
    loadModel(dir).dispose();
    writeModelDirectoryForHub(study, run, dir); // the result of an earlier call may be replaced
    assert.throws(
      () => modelCard({ ...study, licenses: { [EVIL]: "mit" } }, run),
      /Study s states no license of <img src=x>, and a card needs one\. Add it .*"licenses": \{ "<img src=x>"/,
    );
    assert.throws(() => modelCard({ ...study, licenses: undefined }, run), /states no license of <img src=x>/);
    writeFileSync(writeJson(join(store, "full", "x.json"), {}), "");
    assert.throws(() => writeModelDirectoryForHub(study, run, join(store, "full")), /is not empty/);
  },
);

test("an adapter as a directory for the Hub names its base there, and nothing of another run stays", async () => {
  const adapter = { rank: 2, alpha: 4, targets: "all-linear", dropout: 0, rsLora: false } as const;
  const options = { model, modelName: "m", examples: file, dataset: "d", plw: 0, store };
  const full = await train({ ...options, hyperparameters: QUICK });
  const run = await train({ ...options, hyperparameters: { ...QUICK, adapter } });
  const study = parseStudy(
    {
      name: "s",
      models: { m: model },
      datasets: { d: { path: file } },
      licenses: { m: "apache-2.0", d: "cc-by-4.0" },
    },
    "test",
  );
  const dir = join(store, "hub", "adapter");
  writeModelDirectoryForHub(study, full, dir);
  assert.throws(() => writeModelDirectoryForHub(study, run, dir), /which needs the name of its base .* baseModel/);
  writeModelDirectoryForHub(study, run, dir, { baseModel: "someone/start" });
  const settings = readFileSync(join(dir, "adapter_config.json"), "utf8");
  assert.match(settings, /"base_model_name_or_path": "someone\/start"/);
  for (const name of readdirSync(dir))
    assert.ok(!readFileSync(join(dir, name), "latin1").includes(store), `${name}: no local path`);
  assert.ok(!existsSync(join(dir, "model.safetensors")), "the weights of the earlier run");
  writeModelDirectoryForHub(study, full, dir);
  assert.ok(!existsSync(join(dir, "adapter_config.json")), "the adapter of the earlier run");
  loadModel(dir).dispose();
});

test("a data set as a directory for the Hub: rows, length statistics and the escaped first row", () => {
  const study = parseStudy(
    {
      name: "s",
      models: { m: model },
      datasets: { Data: { path: file }, Short: { from: "Data", transform: "invertLongCompletions" } },
      licenses: { Data: "cc-by-4.0" },
    },
    "test",
  );
  const dir = writeDatasetDirectoryForHub(study, "Data", join(store, "hub", "data"));
  assert.deepEqual(readExamples(join(dir, "train.json")), readExamples(file));
  const card = readFileSync(join(dir, "README.md"), "utf8");
  assert.deepEqual(frontMatter(card).configs, [
    { config_name: "default", data_files: [{ split: "train", path: "train.json" }] },
  ]);
  assert.match(card, /8 rows in Alpaca's format[^]*as given/);
  assert.doesNotMatch(prose(card), /<(?!!)/, "no HTML");
  assert.match(card, /^````\n\{/m, "a fence longer than the one in the row");
  assert.match(dataCard(study, "Short"), /long-completion rows inverted[^]*## License\n\ncc-by-4\.0/);
  assert.throws(() => dataCard({ ...study, licenses: {} }, "Data"), /states no license of Data/);
});
