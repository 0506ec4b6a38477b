import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import {
  fetchedPath,
  hubFile,
  hubFolder,
  isDataFile,
  isFetched,
  isHubReference,
  parseHubReference,
  writeFetched,
} from "../../lib/data/hub";
import { repositoryRoot } from "../../lib/data/repository";

const hub = mkdtempSync(join(tmpdir(), "hub-"));
test.beforeEach(() => {
  process.env.PROMPTLOSS_HUB = hub;
});
test.after(() => rmSync(hub, { recursive: true }));

test("a reference has a repository, a revision and perhaps a file", () => {
  assert.deepEqual(parseHubReference("hf:org/name"), { repository: "org/name", revision: "main" });
  assert.deepEqual(parseHubReference("hf:org/na.me_1@refs/pr/3"), {
    repository: "org/na.me_1",
    revision: "refs/pr/3",
  });
  assert.deepEqual(parseHubReference("hf:yahma/alpaca-cleaned@main#data/rows #1.json"), {
    repository: "yahma/alpaca-cleaned",
    revision: "main",
    file: "data/rows #1.json",
  });
  assert.deepEqual([isHubReference("hf:x"), isHubReference("models/x")], [true, false]);
});

test("a malformed reference is refused, and the error says what to write", () => {
  const malformed: [string, RegExp][] = [
    ["hf:", /"" is not an owner and a name with a slash between them/],
    ["hf:gpt2", /"gpt2" is not an owner and a name/],
    ["models/x", /is not an owner and a name/],
    ["hf:a/b/c", /is not an owner and a name/],
    ["hf:../b", /"\.\.\/b" has characters that the Hub does not allow/],
    ["hf:a/..", /does not allow/],
    ["hf:a/b--c", /does not allow/],
    ["hf:a/-b", /does not allow/],
    ["hf:a/b c", /does not allow/],
    ["hf:a/b.git", /does not allow/],
    ["hf:a/b@", /"" cannot be a revision/],
    ["hf:a/b@../../etc", /cannot be a revision/],
    ["hf:a/b@x..y", /cannot be a revision/],
    ["hf:a/b@x y", /cannot be a revision/],
    ["hf:a/b@.git", /cannot be a revision/],
    ["hf:a/b#", /"" is not a path in a repository/],
    ["hf:a/b#../x.json", /"\.\.\/x\.json" is not a path/],
    ["hf:a/b#/etc/passwd", /is not a path/],
    ["hf:a/b#x/../../y", /is not a path/],
    ["hf:a/b#x\\..\\y", /is not a path/],
    ["hf:a/b#C:x", /is not a path/],
  ];
  for (const [reference, message] of malformed) {
    const refuses = (error: unknown) =>
      error instanceof DataError && message.test(error.message) && /Write hf:owner\/name, /.test(error.message);
    assert.throws(() => parseHubReference(reference), refuses, reference);
  }
});

test("a repository has one folder for each revision, below hub", () => {
  assert.equal(hubFolder("model", "hf:org/name"), join(hub, "models", "org--name", "main"));
  assert.equal(
    hubFolder("dataset", "hf:org/name@refs/pr/1#x.json"),
    join(hub, "datasets", "org--name", "refs%2Fpr%2F1"),
  );
  assert.throws(
    () => hubFolder("model", "hf:org/name#config.json"),
    /a model is fetched whole; leave out #config\.json/,
  );
  delete process.env.PROMPTLOSS_HUB;
  assert.equal(hubFolder("model", "hf:org/name"), join(repositoryRoot(), "hub", "models", "org--name", "main"));
  process.env.PROMPTLOSS_HUB = "elsewhere";
  assert.equal(hubFolder("model", "hf:org/name"), join(repositoryRoot(), "elsewhere", "models", "org--name", "main"));
});

test("only what was fetched completely is used", () => {
  const folder = hubFolder("dataset", "hf:org/set");
  mkdirSync(folder, { recursive: true });
  const record = { repository: "org/set", revision: "main", commit: "a".repeat(40), license: null };
  const files = ["a.json", "b.jsonl", "README.md"].map((path) => ({ path, bytes: 2, sha256: "0".repeat(64) }));
  for (const { path } of files) writeFileSync(join(folder, path), "[]");
  assert.equal(isFetched("dataset", "hf:org/set"), false); // files without a record
  assert.throws(() => hubFile("hf:org/set"), /has not been fetched\..*promptloss -- fetch --data "hf:org\/set"/);
  writeFetched(fetchedPath(folder), { ...record, complete: false, files: files.slice(0, 1) });
  assert.deepEqual(
    ["hf:org/set", "hf:org/set#a.json", "hf:org/set#b.jsonl"].map((reference) => isFetched("dataset", reference)),
    [false, true, false],
  );
  assert.equal(hubFile("hf:org/set#a.json"), join(folder, "a.json"));
  assert.throws(() => hubFile("hf:org/set#b.jsonl"), /has not been fetched/);
  writeFetched(fetchedPath(folder), { ...record, complete: true, files });
  assert.throws(
    () => hubFile("hf:org/set"),
    /has 2 data files\. Add #file to say which, for example hf:org\/set#a\.json\. The files: a\.json, b\.jsonl\./,
  );
  writeFetched(fetchedPath(folder), { ...record, complete: true, files: files.slice(1) });
  assert.equal(hubFile("hf:org/set"), join(folder, "b.jsonl"));
  writeFetched(fetchedPath(folder), { ...record, complete: true, files: files.slice(2) });
  assert.throws(() => hubFile("hf:org/set"), /the repository has no \.json, \.jsonl or \.parquet file/);
  writeFileSync(join(folder, "README.md"), "longer");
  assert.equal(isFetched("dataset", "hf:org/set"), false); // another size
  rmSync(join(folder, "README.md"));
  assert.equal(isFetched("dataset", "hf:org/set"), false);
  writeFetched(fetchedPath(folder), { ...record, complete: true, files: [{ ...files[0], path: "../../../x" }] });
  assert.throws(
    () => isFetched("dataset", "hf:org/set"),
    /\.fetched\.json: files\.0\.path: must be a path below the folder/,
  );
});

test("data files are known by their extension", () => {
  const data = ["a.json", "d/a.JSONL", "a.parquet", "a.jsonl.gz"];
  const other = [
    "README.md",
    ".hidden.json",
    ".x/a.json",
    "dataset_infos.json",
    "d/dataset_infos.json",
    "a.csv",
    "json",
  ];
  assert.deepEqual([...data, ...other].filter(isDataFile), data);
});
