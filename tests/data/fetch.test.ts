// Fetches from local servers that drop connections, send wrong data, redirect and refuse. No test uses the network.
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { CatalogueEntry } from "../../lib/data/catalogue";
import { sha256 } from "../../lib/data/digest";
import { DataError } from "../../lib/data/errors";
import { fetchDataset, fetchModel, fetchPlanned, type FetchOptions, type FetchProgress } from "../../lib/data/fetch";
import { missingBytes, planFetch } from "../../lib/data/fetch-plan";
import { hubFile, hubFolder, isFetched } from "../../lib/data/hub";
import { serve } from "../support/http-server";
import { gitName, hubServer, refuse, sendContent, type Fault, type Repository } from "../support/hub-server";

const COMMIT = "c0ffee".padEnd(40, "0");
const bytes = (length: number, seed = 7919) => Buffer.from(Array.from({ length }, (_, i) => (i * seed) % 251));
const CONTENT = bytes(200_000);
const DATA: Repository = {
  kind: "dataset",
  name: "org/set",
  commit: COMMIT,
  files: { "data/rows.json": CONTENT, "README.md": Buffer.from("# Set\n") },
  large: ["data/rows.json"],
  card: { license: "cc-by-4.0" },
};
const REFERENCE = "hf:org/set";
/** The same content in a file that the Hub keeps in git. */
const SMALL: Repository = { ...DATA, large: [] };

const MODEL: Repository = {
  kind: "model",
  name: "org/model",
  commit: COMMIT,
  files: {
    "config.json": Buffer.from("{}"),
    "tokenizer.json": Buffer.from('{"a": 1}'),
    "tokenizer_config.json": Buffer.from("{}"),
    "chat_template.jinja": Buffer.from("{{ x }}"),
    "added_tokens.json": Buffer.from(""), // an empty file
    LICENSE: Buffer.from("Do.\n"),
    "model.safetensors.index.json": Buffer.from("{}\n"),
    "model-00001-of-00002.safetensors": bytes(5000, 3),
    "model-00002-of-00002.safetensors": bytes(6000, 5),
    "consolidated.safetensors": bytes(11_000),
    "model.fp16.safetensors": bytes(10),
    "pytorch_model.bin": bytes(11_000),
    "model-q4.gguf": bytes(10),
    "original/params.json": Buffer.from("{}"),
    "training_args.py": Buffer.from("exit()"),
  },
  large: ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
  card: { license: "other", license_name: "llama2" },
};

const entry = (overrides: Partial<CatalogueEntry["files"][number]> = {}): CatalogueEntry => ({
  name: "Test set",
  kind: "benchmark",
  source: "hub",
  repository: "org/set",
  revision: COMMIT,
  files: [
    { path: "data/rows.json", saveAs: "task/rows.json", bytes: CONTENT.length, sha256: sha256(CONTENT), ...overrides },
  ],
  license: { paper: null, stated: "MIT" },
});

function temporaryDir(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "fetch-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Sets environment variables for one test. */
function environment(t: TestContext, values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => (before === undefined ? delete process.env[name] : (process.env[name] = before)));
  }
}

/** Starts a server and an empty hub folder; `get` fetches the data set. */
async function world(t: TestContext, repositories: Repository[] = [DATA], fault?: Fault, storeUrl?: string) {
  const hub = temporaryDir(t);
  environment(t, { PROMPTLOSS_HUB: hub });
  const server = await hubServer(t, repositories, fault, storeUrl);
  const options: FetchOptions = { hubUrl: server.url, backoffSeconds: 0.01 };
  const get = (more: FetchOptions = {}) => fetchDataset(REFERENCE, undefined, { ...options, ...more });
  return { ...server, hub, options, get, folder: hubFolder("dataset", REFERENCE) };
}

const isContentRequest = (url = "") => url.includes("/store/");

/** Sends the first 100,000 bytes of the content and drops the connection. */
function dropConnection(response: ServerResponse): true {
  response.writeHead(200, { "content-length": CONTENT.length });
  response.write(CONTENT.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
  return true;
}

const listFiles = (dir: string) => readdirSync(dir, { recursive: true }).map(String).sort();

test("a model's configuration, tokenizer, license and safetensors are fetched, each checked", async (t) => {
  const { hub, options, seen } = await world(t, [MODEL]);
  const plan = await planFetch({ kind: "model", reference: "hf:org/model" }, options);
  assert.deepEqual([plan.commit, plan.license, missingBytes(plan)], [COMMIT, "other (llama2)", 11_026]);
  assert.equal(isFetched("model", "hf:org/model"), false);
  const folder = await fetchModel("hf:org/model", options);
  assert.equal(folder, join(hub, "models", "org--model", "main"));
  const wanted = [
    "LICENSE",
    "added_tokens.json",
    "chat_template.jinja",
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ];
  assert.deepEqual(listFiles(folder), [".fetched.json", ...wanted]);
  for (const path of wanted) assert.ok(readFileSync(join(folder, path)).equals(MODEL.files[path]), path);
  const record = JSON.parse(readFileSync(join(folder, ".fetched.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual(
    { ...record, files: (record.files as { path: string }[]).map(({ path }) => path).sort() },
    {
      repository: "org/model",
      revision: "main",
      commit: COMMIT,
      license: "other (llama2)",
      complete: true,
      files: wanted,
    },
  );
  assert.ok(isFetched("model", "hf:org/model"));
  const before = seen.length;
  const again = await planFetch({ kind: "model", reference: "hf:org/model" }, options);
  assert.deepEqual([again.commit, missingBytes(again)], [COMMIT, 0]);
  assert.ok((await fetchPlanned(again, options)).every(({ cached }) => cached));
  assert.equal(seen.length, before); // nothing was asked
});

test("PyTorch's checkpoint is fetched only of a repository without safetensors", async (t) => {
  const shards = { "pytorch_model-00001-of-00002.bin": bytes(50, 3), "pytorch_model-00002-of-00002.bin": bytes(60, 5) };
  const kept = { "config.json": Buffer.from("{}"), "pytorch_model.bin.index.json": Buffer.from("{}\n"), ...shards };
  const unused = { "training_args.bin": bytes(9), "optimizer.bin": bytes(9), "pytorch_model.fp16.bin": bytes(9) };
  const torch: Repository = { ...MODEL, name: "org/torch", files: { ...kept, ...unused }, large: Object.keys(shards) };
  const { options } = await world(t, [
    torch,
    { ...torch, name: "org/both", files: { ...torch.files, ...MODEL.files } },
  ]);
  assert.deepEqual(listFiles(await fetchModel("hf:org/torch", options)), [
    ".fetched.json",
    ...Object.keys(kept).sort(),
  ]);
  assert.deepEqual(
    listFiles(await fetchModel("hf:org/both", options)).filter((path) => /\.(bin|safetensors)/.test(path)),
    ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
  );
});

test("a repository without a usable model is refused before anything is downloaded", async (t) => {
  const others = Object.entries(MODEL.files).filter(([path]) => !/^(model-0|pytorch_model)/.test(path));
  const unusable = { ...MODEL, name: "org/bin", files: Object.fromEntries(others), large: [] };
  const { hub, options } = await world(t, [unusable, { ...DATA, kind: "model" }]);
  await assert.rejects(
    fetchModel("hf:org/bin", options),
    /hf:org\/bin: the repository has no model\.safetensors or pytorch_model\.bin, .*; its weights: consolidated\.safetensors, /,
  );
  await assert.rejects(fetchModel("hf:org/set", options), /has no config\.json: it is not a model/);
  assert.deepEqual(listFiles(hub), []);
});

test("a data set's files are fetched, or the one that is named", async (t) => {
  const more = {
    ...DATA.files,
    "more.jsonl": Buffer.from("{}\n"),
    "script.py": Buffer.from(""),
    ".x.json": Buffer.from("1"),
  };
  const { folder, options, get, seen } = await world(t, [{ ...DATA, files: more }]);
  const [file] = await fetchDataset(`${REFERENCE}#more.jsonl`, undefined, options);
  assert.deepEqual(
    { ...file },
    { path: join(folder, "more.jsonl"), bytes: 3, sha256: sha256("{}\n"), verified: true, cached: false },
  );
  assert.deepEqual(listFiles(folder), [".fetched.json", "more.jsonl"]);
  assert.deepEqual([isFetched("dataset", `${REFERENCE}#more.jsonl`), isFetched("dataset", REFERENCE)], [true, false]);
  assert.equal(hubFile(`${REFERENCE}#more.jsonl`), join(folder, "more.jsonl"));
  await assert.rejects(
    fetchDataset(`${REFERENCE}#rows.json`, undefined, options),
    /the repository has no file rows\.json\. Its data files: data\/rows\.json, more\.jsonl\./,
  );
  const before = seen.length;
  const progress: FetchProgress[] = [];
  const all = await get({ onProgress: (step) => progress.push(step) });
  assert.deepEqual(
    all.map(({ path, cached }) => [path.slice(folder.length + 1), cached]),
    [
      ["README.md", false],
      ["data/rows.json", false],
      ["more.jsonl", true],
    ],
  );
  assert.ok(!seen.slice(before).some(({ url }) => url.endsWith("more.jsonl")));
  assert.deepEqual(progress.at(-1), {
    name: REFERENCE,
    file: "data/rows.json",
    fileBytes: CONTENT.length,
    fileSize: CONTENT.length,
    bytes: CONTENT.length + 9,
    totalBytes: CONTENT.length + 9,
  });
  assert.ok(isFetched("dataset", REFERENCE));
  assert.throws(() => hubFile(REFERENCE), /has 2 data files\. Add #file/);
});

test("later calls stay at the commit of the first, and a revision may be a commit", async (t) => {
  const moving = { ...DATA };
  const { folder, options, get, seen } = await world(t, [moving]);
  await fetchDataset(`${REFERENCE}#README.md`, undefined, options);
  moving.commit = "f".repeat(40);
  await assert.rejects(get(), new RegExp(`hf:org/set: .*datasets/org/set has no revision ${COMMIT} \\(any more\\)`));
  rmSync(folder, { recursive: true });
  await get();
  assert.ok(seen.at(-1)!.url.includes("f".repeat(40)));
  await fetchDataset(`${REFERENCE}@${"f".repeat(40)}`, undefined, options);
  assert.ok(isFetched("dataset", `${REFERENCE}@${"f".repeat(40)}`));
  await assert.rejects(
    fetchDataset(`${REFERENCE}@v9`, undefined, options),
    /datasets\/org\/set has no revision v9 \(any more\)\. Name a commit, tag or branch/,
  );
});

test("a dropped connection is resumed by the same call, and only what is missing is sent", async (t) => {
  let drops = 0;
  const fault: Fault = (request, response) =>
    isContentRequest(request.url) && drops++ === 0 && dropConnection(response);
  const { get, seen, contentBytes } = await world(t, [DATA], fault);
  assert.ok((await get()).every(({ verified }) => verified));
  assert.deepEqual(
    seen.filter(({ url }) => isContentRequest(url)).map(({ range }) => range),
    [undefined, "bytes=100000-"],
  );
  assert.equal(contentBytes(), 100_000 + DATA.files["README.md"].length); // beside the 100,000 of the first answer
});

test("an interrupted download is continued by a later call", async (t) => {
  let answers = 0;
  const fault: Fault = (request, response) => {
    if (!isContentRequest(request.url) || answers++ > 0) return false;
    response.writeHead(200, { "content-length": CONTENT.length });
    response.write(CONTENT.subarray(0, 100_000)); // then silence
    return true;
  };
  const { folder, get, seen, contentBytes } = await world(t, [DATA], fault);
  const controller = new AbortController();
  const onProgress = ({ fileBytes }: FetchProgress) =>
    fileBytes === 100_000 && controller.abort(new DOMException("Interrupted", "AbortError"));
  await assert.rejects(get({ signal: controller.signal, onProgress }), { name: "AbortError" });
  assert.deepEqual(listFiles(folder), [
    ".fetched.json",
    "README.md",
    "data",
    "data/rows.json.part",
    "data/rows.json.part.version",
  ]);
  assert.equal(isFetched("dataset", REFERENCE), false);
  const sent = contentBytes();
  const files = await get();
  assert.deepEqual(
    files.map(({ cached }) => cached),
    [true, false],
  );
  assert.equal(seen.at(-1)!.range, "bytes=100000-");
  assert.equal(contentBytes() - sent, 100_000);
  assert.deepEqual(listFiles(folder), [".fetched.json", "README.md", "data", "data/rows.json"]);
});

test("a partial file of other content, and a server without ranges, start again", async (t) => {
  const { folder, get, seen } = await world(t);
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data", "rows.json.part"), "old");
  writeFileSync(join(folder, "data", "rows.json.part.version"), sha256("another file"));
  await get();
  assert.ok(seen.every(({ range }) => range === undefined || range === "bytes=0-0"));
  let answers = 0;
  const ignoring = await world(t, [DATA], (request, response) => {
    if (!isContentRequest(request.url)) return false;
    if (answers++ === 0) return dropConnection(response);
    return (sendContent(response, CONTENT, undefined), true);
  });
  await ignoring.get();
  assert.equal(answers, 2);
  const misplaced = await world(t, [DATA], (request, response) => {
    if (!isContentRequest(request.url)) return false;
    if (request.headers.range === undefined) return dropConnection(response);
    response.writeHead(206, { "content-range": "bytes 5-9/200000", "content-length": 5 }).end("12345");
    return true;
  });
  await assert.rejects(misplaced.get(), /asked for the bytes from 100000 of 200000, and sent bytes 5-9\/200000/);
});

test("content with a wrong digest is refused with both digests, and nothing is left", async (t) => {
  const wrong = Buffer.from(CONTENT).fill(0, 5, 6);
  const sendWrong: Fault = (request, response) => {
    const wanted = isContentRequest(request.url) || request.url!.includes("/resolve/");
    if (!wanted || !request.url!.includes("rows") || request.headers.accept?.includes("xet")) return false;
    return (sendContent(response, wrong, request.headers.range), true);
  };
  const large = await world(t, [DATA], sendWrong);
  await assert.rejects(
    large.get(),
    new RegExp(
      `200000 bytes with ${sha256(wrong)} were downloaded, but 200000 bytes with SHA-256 ${sha256(CONTENT)} were ` +
        "expected\\. The download was deleted",
    ),
  );
  assert.deepEqual(listFiles(large.folder), [".fetched.json", "README.md", "data"]);
  assert.equal(isFetched("dataset", REFERENCE), false);
  const small = await world(t, [SMALL], sendWrong);
  await assert.rejects(
    small.get(),
    new RegExp(`with ${gitName(wrong)} were downloaded, but 200000 bytes with git object name ${gitName(CONTENT)}`),
  );
  assert.deepEqual(listFiles(small.folder), [".fetched.json", "README.md", "data"]);
  const long = await world(t, [DATA], (request, response) => {
    if (!isContentRequest(request.url)) return false;
    return (response.writeHead(200).end(Buffer.concat([CONTENT, wrong])), true); // chunked, without Content-Length
  });
  await assert.rejects(long.get(), /sends more than the 200000 bytes that were announced/);
  assert.deepEqual(listFiles(long.folder), [".fetched.json", "README.md", "data"]);
});

test("an entry of the catalogue is held against the catalogue's sizes and digests", async (t) => {
  const dir = temporaryDir(t);
  const { options } = await world(t, [DATA]);
  const get = (wanted: CatalogueEntry, to = dir) => fetchDataset(wanted, to, options);
  await assert.rejects(
    get(entry({ sha256: "0".repeat(64) })),
    new RegExp(`Test set: data/rows\\.json of org/set at ${COMMIT} has SHA-256 ${sha256(CONTENT)}, but 0{64} in the`),
  );
  await assert.rejects(get(entry({ bytes: 100 })), /has 200000 bytes, but 100 in the catalogue; it was not fetched/);
  await assert.rejects(
    get(entry({ path: "rows.json" })),
    /org\/set at c0ffee0+ has no file rows\.json\. It has: data\/rows\.json, README\.md\./,
  );
  assert.deepEqual(listFiles(dir), []);
  const [file] = await get(entry({ bytes: null, sha256: null }));
  assert.deepEqual([file.verified, file.sha256], [true, sha256(CONTENT)]); // against the Hub's digest
  assert.deepEqual(listFiles(dir), [".fetched", ".fetched/test-set.json", "task", "task/rows.json"]);
  assert.equal((await get(entry()))[0].cached, true);
  const other = temporaryDir(t);
  mkdirSync(join(other, "task"));
  writeFileSync(join(other, "task", "rows.json"), CONTENT);
  assert.deepEqual(
    (await get(entry(), other)).map(({ cached, verified }) => [cached, verified]),
    [[true, true]],
  );
  rmSync(join(other, ".fetched"), { recursive: true });
  writeFileSync(join(other, "task", "rows.json"), "mine");
  await assert.rejects(
    get(entry(), other),
    new RegExp(`rows\\.json is another file: 4 bytes with SHA-256 ${sha256("mine")} instead of 200000 bytes`),
  );
  assert.equal(readFileSync(join(other, "task", "rows.json"), "utf8"), "mine");
});

test("a gated repository, a missing one, a missing file and a bad token are explained", async (t) => {
  const refusing = (status: number, code?: string, message?: string) =>
    world(t, [DATA], (request, response) => {
      const isAsked = request.url!.includes("/resolve/") || code !== "GatedRepo"; // gated repositories can be listed
      return isAsked && (refuse(response, status, code, message), true);
    });
  const gated = await refusing(401, "GatedRepo");
  await assert.rejects(
    gated.get(),
    new RegExp(
      `hf:org/set: ${gated.url}/datasets/org/set is gated: sign in there and accept its terms, create a token that may ` +
        `read at ${gated.url}/settings/tokens, set the environment variable HF_TOKEN`,
    ),
  );
  await assert.rejects((await refusing(404, "RepoNotFound")).get(), /does not exist, or is private.*or set HF_TOKEN/);
  await assert.rejects((await refusing(401)).get(), /does not exist, or is private/);
  await assert.rejects(
    (await refusing(418, undefined, "short and stout")).get(),
    /HTTP 418\. The Hub says: short and stout/,
  );
  environment(t, { HF_TOKEN: "hf_secret" });
  await assert.rejects(
    (await refusing(403, "GatedRepo", "Awaiting review")).get(),
    /is gated, and the account of HF_TOKEN has not been granted access .* The Hub says: Awaiting review/,
  );
  await assert.rejects((await refusing(401)).get(), (error: Error) => {
    assert.match(error.message, /the Hub does not accept the token in HF_TOKEN/);
    assert.doesNotMatch(error.message, /hf_secret/);
    return true;
  });
  const lost = await world(t, [SMALL], (request, response) => {
    return request.url!.includes("/resolve/") && (refuse(response, 404, "EntryNotFound"), true);
  });
  await assert.rejects(lost.get(), new RegExp(`hf:org/set: org/set has no file README\\.md at ${COMMIT}`));
});

test("a busy server is asked again, and one that cannot be reached is named", async (t) => {
  let requests = 0;
  const pauses = [{ ratelimit: '"api";r=0;t=1' }, { "retry-after": "0.05" }, {}];
  const busy = await world(t, [DATA], (_, response) => {
    if (++requests > 3) return false;
    return (response.writeHead([429, 502, 503][requests - 1], pauses[requests - 1]).end(), true);
  });
  const start = performance.now();
  await busy.get();
  assert.ok(performance.now() - start >= 1000, "the rate limit's pause was not kept");
  const down = await world(t, [DATA], (_, response) => (response.writeHead(503).end(), true));
  await assert.rejects(down.get({ retries: 1 }), /api\/datasets\/org\/set\/.* cannot be fetched now: HTTP 503/);
  assert.equal(down.seen.length, 2);
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const refused = { hubUrl: `http://127.0.0.1:${port}`, retries: 0 };
  await assert.rejects(down.get(refused), /hf:org\/set: .* cannot be fetched now: connection refused/);
  const silent = await world(t, [DATA], () => true);
  await assert.rejects(silent.get({ retries: 0, timeoutSeconds: 0.1 }), /no answer for 0\.1 s/);
  const stalling = await world(t, [DATA], (request, response) => {
    if (!isContentRequest(request.url)) return false;
    response.writeHead(200, { "content-length": CONTENT.length }).write(CONTENT.subarray(0, 1000));
    return true;
  });
  await assert.rejects(
    stalling.get({ retries: 0, timeoutSeconds: 0.2 }),
    /broke off: no data for 0\.2 s\. The first 1000 bytes are kept; the same call continues/,
  );
  const page = await world(t, [DATA], (_, response) => (response.writeHead(200).end("<html>Log in</html>"), true));
  await assert.rejects(page.get(), /hf:org\/set: http.* did not answer as the Hub does: .*proxy or a login page/);
  await assert.rejects(page.get({ hubUrl: "nowhere" }), /nowhere is not a URL; HF_ENDPOINT must look like/);
  environment(t, { HF_ENDPOINT: busy.url });
  await fetchDataset(`${REFERENCE}@${COMMIT}`, undefined, {});
});

test("redirects are followed, and the token goes to the Hub only", async (t) => {
  environment(t, { HF_TOKEN: "hf_secret" });
  const store = await hubServer(t, [DATA]);
  const { seen, get, url } = await world(t, [DATA], undefined, store.url);
  await get();
  assert.deepEqual(new Set(seen.map(({ authorization }) => authorization)), new Set(["Bearer hf_secret"]));
  assert.deepEqual(
    store.seen.map(({ authorization, sent }) => [authorization, sent]),
    [[undefined, CONTENT.length]],
  );
  // a list that says to continue elsewhere
  const other: (string | undefined)[] = [];
  const elsewhere = await serve(t, (request, response) => {
    other.push(request.headers.authorization);
    response.end("[]");
  });
  const paged = await world(t, [DATA], (request, response) => {
    if (request.url!.includes("/tree/")) response.setHeader("link", `<${elsewhere}/next>; rel="next"`);
    return false;
  });
  await paged.get();
  assert.deepEqual(other, [undefined]);
  const loop = await world(t, [DATA], (request, response) => {
    return isContentRequest(request.url) && (response.writeHead(302, { location: request.url }).end(), true);
  });
  await assert.rejects(loop.get({ retries: 0 }), /redirect count exceeded/);
  const local = await world(t, [DATA], (request, response) => {
    return isContentRequest(request.url) && (response.writeHead(302, { location: "file:///etc/passwd" }).end(), true);
  });
  await assert.rejects(local.get({ retries: 0 }), DataError);
  assert.ok(url !== store.url);
});

test("no path of a listing leaves the folder", async (t) => {
  for (const path of [
    "../rows.json",
    "a/../../rows.json",
    "/tmp/rows.json",
    "a\\..\\rows.json",
    "a//b.json",
    "c:x.json",
  ]) {
    const { hub, get } = await world(t, [{ ...DATA, files: { [path]: CONTENT }, large: [] }]);
    await assert.rejects(get(), /the Hub lists ".*", not a path inside a folder/, path);
    assert.deepEqual(listFiles(hub), []);
  }
  const outside = temporaryDir(t);
  const { folder, get, options } = await world(t);
  mkdirSync(folder, { recursive: true });
  symlinkSync(outside, join(folder, "data"));
  await assert.rejects(get(), /data\/rows\.json would be written outside .* through the symbolic link/);
  rmSync(join(folder, "data"));
  mkdirSync(join(folder, "data"));
  symlinkSync(join(outside, "new"), join(folder, "data", "rows.json.part")); // leads nowhere yet
  await assert.rejects(get(), /rows\.json\.part would be written outside/);
  assert.deepEqual(listFiles(outside), []);
  for (const saveAs of ["../rows", "a/../../rows", "/tmp/rows", "a\\..\\rows", "", "a//b", "./rows", "a\0b"])
    await assert.rejects(
      fetchDataset(entry({ saveAs }), temporaryDir(t), options),
      /is not a path inside a folder/,
      saveAs,
    );
});

/** Mounts a file system of the given size; undefined where that is not allowed. */
function smallDisk(t: TestContext, kilobytes: number): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "fetch-"));
  const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "none", dir]).status === 0;
  t.after(() => {
    if (isMounted) spawnSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  });
  if (!isMounted) return undefined;
  return dir;
}

test("a full disk is named with the bytes that are needed, and the partial file is kept", async (t) => {
  const disk = smallDisk(t, 256);
  if (!disk) return t.skip("cannot mount a small file system here (not root)");
  let filled = false;
  const { seen, options, folder } = await world(t, [DATA], (request) => {
    // another program fills the disk while the download is under way
    if (isContentRequest(request.url) && !filled) writeFileSync(join(disk, "filler"), bytes(128 * 1024));
    filled ||= isContentRequest(request.url);
    return false;
  });
  assert.ok(folder);
  process.env.PROMPTLOSS_HUB = join(disk, "hub");
  const target = join(hubFolder("dataset", REFERENCE), "data", "rows.json");
  const error = await fetchDataset(REFERENCE, undefined, options).then(
    () => assert.fail("the disk was not full"),
    (problem: Error) => problem,
  );
  const kept = readFileSync(`${target}.part`).length;
  assert.ok(kept > 0 && kept < CONTENT.length, String(kept));
  assert.match(
    error.message,
    new RegExp(
      `the disk is full\\. .* \\(${CONTENT.length - kept} bytes\\) more are needed .* first ${kept} bytes are kept`,
    ),
  );
  await assert.rejects(
    fetchDataset(REFERENCE, undefined, options),
    new RegExp(`hf:org/set: .* \\(${CONTENT.length - kept} bytes\\) more are needed in .*, but its disk has .* left`),
  );
  rmSync(join(disk, "filler"));
  await fetchDataset(REFERENCE, undefined, options);
  assert.ok(readFileSync(target).equals(CONTENT));
  assert.equal(seen.at(-1)!.range, `bytes=${kept}-`);
});

test("a file on GitHub takes the same path", async (t) => {
  environment(t, { HF_TOKEN: "hf_secret" });
  const requests: string[] = [];
  let etag: string | undefined = '"v1"';
  let drop = false;
  const githubUrl = await serve(t, (request, response) => {
    assert.equal(request.headers.authorization, undefined);
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
    if (request.url!.endsWith("none")) return void response.writeHead(404).end();
    if (request.method === "HEAD")
      return void response.writeHead(200, { "content-length": CONTENT.length, ...(etag && { etag }) }).end();
    if (drop) return void dropConnection(response);
    sendContent(response, CONTENT, request.headers.range);
  });
  const dir = temporaryDir(t);
  const github: CatalogueEntry = { ...entry(), source: "github", revision: "abc1234" };
  const options = { githubUrl, backoffSeconds: 0.01, retries: 0 };
  drop = true;
  await assert.rejects(fetchDataset(github, dir, options), /broke off: .*The first 100000 bytes are kept/);
  drop = false;
  const [file] = await fetchDataset(github, dir, options);
  assert.deepEqual([file.path, file.verified], [join(dir, "task", "rows.json"), true]);
  const url = "/org/set/abc1234/data/rows.json";
  assert.deepEqual(requests, [`HEAD ${url}`, `GET ${url}`, `HEAD ${url}`, `GET ${url} bytes=100000-`]);
  etag = 'W/"v1"'; // does not promise the same bytes, so the download starts again
  requests.length = 0;
  const again = temporaryDir(t);
  drop = true;
  await assert.rejects(fetchDataset(github, again, options), /broke off/);
  drop = false;
  await fetchDataset(github, again, options);
  assert.equal(requests.at(-1), `GET ${url}`);
  await assert.rejects(
    fetchDataset({ ...github, files: entry({ sha256: "0".repeat(64) }).files }, temporaryDir(t), options),
    new RegExp(`with ${sha256(CONTENT)} were downloaded, but 200000 bytes with SHA-256 0{64} were expected`),
  );
  const unknown = { ...github, files: entry({ bytes: null, sha256: null }).files };
  await assert.rejects(
    fetchDataset(unknown, temporaryDir(t), { ...options, maxBytes: 1000 }),
    /200000 bytes, over the limit 1000/,
  );
  assert.equal((await fetchDataset(unknown, temporaryDir(t), options))[0].verified, false);
  await assert.rejects(
    fetchDataset({ ...github, files: entry({ path: "none" }).files }, temporaryDir(t), options),
    /Test set: .*\/org\/set\/abc1234\/none cannot be fetched: HTTP 404, there is no such file/,
  );
});

test("an unknown dataset name is rejected with the known names", async (t) => {
  await assert.rejects(
    fetchDataset("MMLU", temporaryDir(t)),
    /Dataset "MMLU" is not in the catalogue\. Known datasets: AlpacaData, AlpacaDataCleaned, ARC Challenge/,
  );
});
