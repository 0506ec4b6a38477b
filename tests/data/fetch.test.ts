// Downloads from a local server that drops connections, sends wrong data, redirects and denies access. No test uses the
// network.
import { strict as assert } from "node:assert";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { CatalogueEntry } from "../../lib/data/catalogue";
import { sha256 } from "../../lib/data/digest";
import { fetchDataset, type FetchOptions, type FetchProgress } from "../../lib/data/fetch";
import { serve } from "../support/http-server";

const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 251));

const entry = (overrides: Partial<CatalogueEntry["files"][number]> = {}): CatalogueEntry => ({
  name: "Test",
  kind: "benchmark",
  source: "hub",
  repository: "owner/set",
  revision: "abc",
  files: [
    {
      path: "sub/rows.parquet",
      saveAs: "task/rows.parquet",
      bytes: CONTENT.length,
      sha256: sha256(CONTENT),
      ...overrides,
    },
  ],
  license: { paper: null, stated: null },
});
const UNVERIFIED = { bytes: null, sha256: null };

function temporaryDir(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "fetch-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

interface ContentServer {
  url: string;
  requests: IncomingMessage[];
}

/**
 * Serves the content with range requests and an ETag. `fault` may answer instead, and then returns true; its parameter
 * `request` is the number of the request, from 1.
 */
async function contentServer(
  t: TestContext,
  fault: (request: number, response: ServerResponse, range: string | undefined) => boolean = () => false,
  etag = '"v1"',
): Promise<ContentServer> {
  const requests: IncomingMessage[] = [];
  const url = await serve(t, (request, response) => {
    requests.push(request);
    if (fault(requests.length, response, request.headers.range)) return;
    const start =
      request.headers["if-range"] === etag ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
    response.setHeader("etag", etag);
    if (start >= CONTENT.length)
      return void response.writeHead(416, { "content-range": `bytes */${CONTENT.length}` }).end();
    if (start > 0)
      response.writeHead(206, {
        "content-range": `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}`,
        "content-length": CONTENT.length - start,
      });
    else response.writeHead(200, { "content-length": CONTENT.length });
    response.end(CONTENT.subarray(start));
  });
  return { url, requests };
}

/** Sends the first 100,000 bytes and drops the connection. */
function dropConnection(response: ServerResponse, etag: string | null = '"v1"'): true {
  response.writeHead(200, { "content-length": CONTENT.length, ...(etag !== null && { etag }) });
  response.write(CONTENT.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
  return true;
}

/** Returns a URL at which no server listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

const download = (url: string, dir: string, dataset: CatalogueEntry = entry(), options: FetchOptions = {}) =>
  fetchDataset(dataset, dir, { baseUrl: url, backoffSeconds: 0.01, ...options });
const listFiles = (dir: string) => readdirSync(dir, { recursive: true }).map(String).sort();

test("downloads and checks a file, reports progress, and does not download it twice", async (t) => {
  const dir = temporaryDir(t);
  const { url, requests } = await contentServer(t);
  const progress: FetchProgress[] = [];
  const [file] = await download(url, dir, entry(), { onProgress: (p) => progress.push(p) });
  assert.deepEqual(
    { ...file, path: "" },
    { path: "", bytes: CONTENT.length, sha256: sha256(CONTENT), verified: true, cached: false },
  );
  assert.ok(readFileSync(join(dir, "task", "rows.parquet")).equals(CONTENT));
  assert.deepEqual(listFiles(dir), ["task", "task/rows.parquet"]);
  assert.equal(requests[0].url, "/datasets/owner/set/resolve/abc/sub/rows.parquet");
  assert.deepEqual(progress.at(-1), {
    file: "task/rows.parquet",
    files: 1,
    filesDone: 0,
    bytes: CONTENT.length,
    totalBytes: CONTENT.length,
  });
  assert.ok((await download(url, dir))[0].cached);
  assert.equal(requests.length, 1);
  const github = await download(url, temporaryDir(t), { ...entry(), source: "github" });
  assert.equal(requests[1].url, "/owner/set/abc/sub/rows.parquet");
  assert.ok(github[0].verified);
});

test("an interrupted download is resumed by the same call and by a later one", async (t) => {
  const { url, requests } = await contentServer(t, (request, response) => request === 1 && dropConnection(response));
  assert.ok((await download(url, temporaryDir(t)))[0].verified);
  assert.deepEqual(
    requests.map(({ headers }) => headers.range),
    [undefined, "bytes=100000-"],
  );

  const dir = temporaryDir(t);
  const later = await contentServer(t, (request, response) => request === 1 && dropConnection(response));
  await assert.rejects(
    download(later.url, dir, entry(), { retries: 0 }),
    /rows\.parquet cannot be downloaded from http.* The first 100000 bytes are kept/,
  );
  assert.ok(!existsSync(join(dir, "task", "rows.parquet")));
  assert.ok((await download(later.url, dir))[0].verified);
  assert.equal(later.requests[1].headers.range, "bytes=100000-");
  assert.deepEqual(listFiles(dir), ["task", "task/rows.parquet"]);
});

test("the download restarts if the server ignores ranges, sends no ETag, or has a different file", async (t) => {
  const ignoring = await contentServer(t, (request, response) => {
    if (request === 1) return dropConnection(response);
    return (response.writeHead(200, { "content-length": CONTENT.length }).end(CONTENT), true);
  });
  assert.ok((await download(ignoring.url, temporaryDir(t)))[0].verified);
  const untagged = await contentServer(t, (request, response) => request === 1 && dropConnection(response, null));
  assert.ok((await download(untagged.url, temporaryDir(t)))[0].verified);
  assert.equal(untagged.requests[1].headers.range, undefined);
  const replaced = await contentServer(t, (request, response) => request === 1 && dropConnection(response, '"v0"'));
  assert.ok((await download(replaced.url, temporaryDir(t), entry(UNVERIFIED)))[0].sha256 === sha256(CONTENT));
  assert.equal(replaced.requests[1].headers["if-range"], '"v0"');
  const misplaced = await contentServer(t, (request, response, range) => {
    if (request === 1) return dropConnection(response);
    return range !== undefined && (response.writeHead(206, { "content-range": "bytes 5-9/200000" }).end("12345"), true);
  });
  assert.ok((await download(misplaced.url, temporaryDir(t)))[0].verified);
});

test("a complete partial file is accepted", async (t) => {
  const dir = temporaryDir(t);
  mkdirSync(join(dir, "task"));
  writeFileSync(join(dir, "task", "rows.parquet.part"), CONTENT);
  writeFileSync(join(dir, "task", "rows.parquet.part.etag"), '"v1"');
  const { url, requests } = await contentServer(t);
  assert.ok((await download(url, dir))[0].verified);
  assert.deepEqual(
    requests.map(({ headers }) => headers.range),
    ["bytes=200000-"],
  );
});

test("a download with a wrong digest or size is deleted; an existing wrong file is not touched", async (t) => {
  const dir = temporaryDir(t);
  const { url } = await contentServer(t);
  await assert.rejects(
    download(url, dir, entry({ sha256: "0".repeat(64) })),
    new RegExp(
      "not the file that the catalogue describes: 200000 bytes with SHA-256 [0-9a-f]{64} " +
        "instead of 200000 bytes with 0{64}",
    ),
  );
  await assert.rejects(download(url, dir, entry({ bytes: 100 })), /200000 bytes or more, over the catalogue's 100/);
  await assert.rejects(download(url, dir, entry({ bytes: 300_000, sha256: null })), /instead of 300000 bytes/);
  await assert.rejects(download(url, dir, entry(UNVERIFIED), { maxBytes: 1000 }), /over the limit of 1000/);
  assert.deepEqual(listFiles(dir), ["task"]);
  // chunked encoding: no Content-Length
  const endless = await serve(t, (_, response) => void response.writeHead(200).end(CONTENT));
  await assert.rejects(download(endless, dir, entry(UNVERIFIED), { maxBytes: 1000 }), /over the limit of 1000/);
  writeFileSync(join(dir, "task", "rows.parquet"), "mine");
  await assert.rejects(download(url, dir), /already exists but is not the catalogue's file/);
  assert.equal(readFileSync(join(dir, "task", "rows.parquet"), "utf8"), "mine");
  const other = await download(url, temporaryDir(t), entry({ sha256: "0".repeat(64) }), { revision: "other" });
  assert.equal(other[0].verified, false);
});

test("errors name missing files, denied access, network failures and login pages", async (t) => {
  const dir = temporaryDir(t);
  const refusing = (status: number) => serve(t, (_, response) => void response.writeHead(status).end("no"));
  await assert.rejects(
    download(await refusing(404), dir),
    /HTTP 404\. Revision abc of owner\/set does not contain this file/,
  );
  await assert.rejects(download(await refusing(401), dir), /HTTP 401\. Access is restricted.*HF_TOKEN/);
  await assert.rejects(download(await refusing(503), dir, entry(), { retries: 1 }), /HTTP 503/);
  const page = await serve(
    t,
    (_, response) =>
      void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<html>Log in</html>"),
  );
  await assert.rejects(download(page, dir, entry(UNVERIFIED)), /answered with a web page/);
  await assert.rejects(
    download(await closedPort(), dir, entry(), { retries: 1 }),
    /connection refused; no server listens at this address/,
  );
  const silent = await serve(t, () => {});
  await assert.rejects(download(silent, dir, entry(), { retries: 0, timeoutSeconds: 0.1 }), /no data for 0\.1 s/);
  await assert.rejects(download("nowhere", dir), /baseUrl nowhere is not a valid URL/);
  assert.deepEqual(listFiles(dir), ["task"]);
});

test("a busy server is asked again after its Retry-After", async (t) => {
  const { url, requests } = await contentServer(
    t,
    (request, response) =>
      request <= 2 && (response.writeHead(request === 1 ? 429 : 502, { "retry-after": "0.1" }).end(), true),
  );
  assert.ok((await download(url, temporaryDir(t)))[0].verified);
  assert.equal(requests.length, 3);
});

test("no file is written outside the data directory", async (t) => {
  const { url, requests } = await contentServer(t);
  const dir = temporaryDir(t);
  for (const saveAs of ["../rows", "a/../../rows", "/tmp/rows", "a\\..\\rows", "", "a//b", "./rows", "a\0b"]) {
    await assert.rejects(download(url, dir, entry({ saveAs })), /not a path inside the data directory/, saveAs);
  }
  const outside = temporaryDir(t);
  symlinkSync(outside, join(dir, "task"));
  for (const saveAs of ["task/rows", "task/more/rows"])
    await assert.rejects(download(url, dir, entry({ saveAs })), /outside .* through a symbolic link/);
  await assert.rejects(download(url, dir, { ...entry(), revision: "../x" }), /must not contain empty segments/);
  await assert.rejects(
    download(url, dir, entry({ saveAs: "ok", path: "../secret" })),
    /must not contain empty segments/,
  );
  assert.deepEqual(listFiles(outside), []);
  assert.equal(requests.length, 0);
});

test("redirects are followed, and the token is sent to its own host only", async (t) => {
  const before = process.env.HF_TOKEN;
  process.env.HF_TOKEN = "hf_secret";
  t.after(() => (before === undefined ? delete process.env.HF_TOKEN : (process.env.HF_TOKEN = before)));
  const store = await contentServer(t);
  const tokens: (string | undefined)[] = [];
  const hub = await serve(t, (request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(302, { location: request.url!.startsWith("/datasets") ? "/here" : `${store.url}/blob` }).end();
  });
  assert.ok((await download(hub, temporaryDir(t)))[0].verified);
  assert.deepEqual(tokens, ["Bearer hf_secret", "Bearer hf_secret"]);
  assert.equal(store.requests[0].headers.authorization, undefined);
  const direct = await contentServer(t);
  await download(direct.url, temporaryDir(t), { ...entry(), source: "github" });
  assert.equal(direct.requests[0].headers.authorization, undefined);
  const loop = await serve(t, (_, response) => void response.writeHead(302, { location: "/again" }).end());
  await assert.rejects(download(loop, temporaryDir(t)), /redirects more than 5 times/);
  const local = await serve(t, (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end());
  await assert.rejects(download(local, temporaryDir(t)), /redirects to file:/);
});

test("an abort stops the download, and the next call resumes it", async (t) => {
  const dir = temporaryDir(t);
  const controller = new AbortController();
  const { url, requests } = await contentServer(t, (request, response) => {
    if (request > 1) return false;
    response.writeHead(200, { "content-length": CONTENT.length, etag: '"v1"' });
    response.write(CONTENT.subarray(0, 100_000)); // then silence
    return true;
  });
  const onProgress = ({ bytes }: FetchProgress) =>
    bytes === 100_000 && controller.abort(new DOMException("Interrupted", "AbortError"));
  await assert.rejects(download(url, dir, entry(), { signal: controller.signal, onProgress }), { name: "AbortError" });
  assert.ok((await download(url, dir))[0].verified);
  assert.match(requests[1].headers.range!, /^bytes=(\d{5,6})-$/);
});

test("an unknown dataset name is rejected with the known names", async (t) => {
  await assert.rejects(
    fetchDataset("MMLU", temporaryDir(t)),
    /Dataset "MMLU" is not in the catalogue\. Known datasets: AlpacaData, AlpacaDataCleaned, ARC Challenge/,
  );
});
