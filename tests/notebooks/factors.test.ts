// A study with every factor and with tasks of one's own, through the notebooks; beside another study's outputs.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "papaparse";
import { fileDigest } from "../../lib/runs/digests";
import { distinct } from "../../lib/data/group";
import { bodyOf } from "../support/http-server";
import { executeNotebooks, htmlOf, NAMES, outputsOf, textOf, type Execution } from "./execute";
import { writeFactorStudy, writeTinyStudy } from "./tiny-study";

const folder = mkdtempSync(join(tmpdir(), "promptloss-factors-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
let factors: Execution;
let tiny: Execution;
let wholeBefore: Record<string, string>;
let tinyBefore: Record<string, string>;
const SWEEP = NAMES.filter((name) => name.startsWith("02"));

/** A stand-in for a judge's server: its verdict depends on nothing but the number of characters of the question. */
const judge = createServer((request, response) => {
  void bodyOf(request).then((body) => {
    const text = (JSON.parse(body) as { messages: { content: string }[] }).messages
      .map(({ content }) => content)
      .join();
    const content = text.length % 2 === 0 ? "Output (a)" : "Output (b)";
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ choices: [{ message: { content } }] }));
  });
});
after(() => judge.close());

before(async () => {
  await new Promise<void>((listening) => judge.listen(0, "127.0.0.1", listening));
  const study = writeFactorStudy(folder, `http://127.0.0.1:${(judge.address() as AddressInfo).port}/v1`);
  const tinyStudy = writeTinyStudy(join(folder, "other"));
  const first = await executeNotebooks(SWEEP, tinyStudy, folder);
  assert.deepEqual([...first.failures], []);
  tinyBefore = outputs("tiny");
  factors = await executeNotebooks(
    NAMES.filter((name) => !/^0[01]/.test(name)),
    study,
    folder,
  );
  wholeBefore = outputs("factors");
  tiny = await executeNotebooks(SWEEP, tinyStudy, folder);
});

/** Digests of the files of a study's figures, by name. */
function outputs(study: string): Record<string, string> {
  const figures = join(folder, "out", study, "figures");
  return Object.fromEntries(
    readdirSync(figures)
      .filter((name) => /\.\w+$/.test(name))
      .map((name) => [name, fileDigest(join(figures, name))]),
  );
}

/** Rows of an exported CSV file. */
function csv(name: string): Record<string, string>[] {
  const text = readFileSync(join(folder, "out", "factors", "figures", `${name}.csv`), "utf8");
  return parse<Record<string, string>>(text, { header: true, skipEmptyLines: true }).data;
}

test("every notebook runs on it without an error or a warning", () => {
  assert.deepEqual([...factors.failures, ...tiny.failures], []);
  for (const [name, notebook] of factors.executed)
    for (const output of outputsOf(notebook)) {
      assert.notEqual(output.output_type, "error", `${name}: ${output.evalue}`);
      assert.notEqual(output.name, "stderr", `${name}: ${String(output.text)}`);
    }
});

test("figures show every level of every factor that they have", () => {
  const levels = {
    model: ["tiny-1", "tiny-2", "tiny-3"],
    dataset: ["TinyData", "TinyDataShort"],
    normalizer: ["tokens", "weights"],
    variant: ["adapter", "lr 0.01", "lr 0.1"],
    plw: ["0", "0.1", "1"],
  };
  const factorsOf: Record<string, (keyof typeof levels)[]> = {
    figure1: ["dataset", "normalizer", "variant", "plw"],
    figure2a: ["model", "dataset", "normalizer", "variant", "plw"],
    figure2b: ["model", "dataset", "normalizer", "variant", "plw"],
    "figure2b-parts": ["dataset", "normalizer", "variant", "plw"],
    figure2c: ["model", "dataset", "normalizer", "variant", "plw"],
    figure2d: ["model", "dataset", "normalizer", "variant", "plw"],
    "figure-others": ["dataset", "normalizer", "variant", "plw"],
    "loss-curves": ["normalizer", "variant", "plw"],
    "normalizers-stability": ["dataset", "normalizer", "variant", "plw"],
    "normalizers-movement": ["dataset", "normalizer", "variant", "plw"],
    "normalizers-learning": ["dataset", "normalizer", "variant", "plw"],
  };
  for (const [figure, keys] of Object.entries(factorsOf)) {
    const rows = csv(figure);
    const combinations = distinct(rows.map((row) => JSON.stringify(keys.map((key) => row[key]))));
    const expected = keys.reduce((product, key) => product * levels[key].length, 1);
    assert.equal(combinations.length, expected, `${figure}: ${Object.keys(rows[0]).join()}`);
  }
});

test("tasks of one's own are scored, named, and in figures and tables", () => {
  const others = distinct(csv("figure-others").map(({ part }) => part)).join();
  for (const task of ["my-choices", "my-answers", "my-judged"]) {
    assert.ok(others.includes(task), `figure-others: ${others}`);
    assert.ok(
      csv("table2").some((row) => row.task === task),
      `table2: ${task}`,
    );
  }
  const lengths = csv("figure2d");
  assert.ok(lengths.length > 0, "the judged task has answers with lengths");
  const text = textOf(factors.executed.get(NAMES.find((name) => name.startsWith("03"))!)!);
  assert.match(text, /Every task was evaluated on every run/);
});

test("learning rates are compared, and normalizers within the study", () => {
  const causes = factors.executed.get(NAMES.find((name) => name.startsWith("05"))!)!;
  assert.match(textOf(causes), /Normalizers: weights, tokens\./);
  assert.match(textOf(causes), /the best PLW at each learning rate is/);
  assert.match(textOf(causes), /Left out, since their learning rate is not given: variants adapter\./);
  assert.match(htmlOf(causes), /weight × normalizer/);
  assert.ok(existsSync(join(folder, "out", "factors", "figures", "learning-rates.csv")));
});

test("nothing bears the name of a real benchmark or of another study", () => {
  for (const [name, notebook] of factors.executed) {
    if (name.startsWith("07") || name.startsWith("04") || name.startsWith("06")) continue; // they show the paper's tables
    const shown = outputsOf(notebook).map(({ text, data }) => JSON.stringify([text, data?.["text/plain"]]));
    assert.doesNotMatch(shown.join("\n"), /PIQA|ARC Challenge|WinoGrande|Pocket /, name);
  }
});

test("two studies in turn: each has its own folder, whole, and leaves the other's files as they are", () => {
  assert.deepEqual(outputs("factors"), wholeBefore);
  const names = ["csv", "pdf", "png", "svg"].map((type) => `loss-curves.${type}`);
  assert.deepEqual(Object.keys(outputs("tiny")).sort(), names);
  assert.equal(outputs("tiny")["loss-curves.csv"], tinyBefore["loss-curves.csv"]);
  assert.deepEqual(readdirSync(join(folder, "out")).sort(), ["factors", "judgements.jsonl", "tiny"]);
});
