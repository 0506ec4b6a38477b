// Tests judgeOutputs with a local judge server that is slow, busy, faulty or stops: no judgement is lost, and none is
// paid for twice.
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { judgeOutputs, type JudgedItem, type JudgeProgress } from "../../lib/evaluate/judge/judge";
import { lengthJudge, referenceJudge } from "../../lib/evaluate/judge/judge-local";
import { openAiJudge, type OpenAiJudgeOptions } from "../../lib/evaluate/judge/judge-openai";
import { ALPACA_EVAL_PROMPT, PANDALM_PROMPT } from "../../lib/evaluate/judge/judge-prompts";
import { bodyOf, serve } from "../support/http-server";

const KEY = "sk-secret-0123456789";

/** Creates n items whose output is better and whose reference is longer. */
const items = (n: number): JudgedItem[] =>
  Array.from({ length: n }, (_, i) => ({
    instruction: `Count to ${i}.`,
    output: `good ${i}`,
    reference: `poor and long ${i}`,
  }));

/** A request that the server received. */
interface Asked {
  id: string;
  authorization?: string;
  time: number;
}

/**
 * Starts a judge that prefers the answer with "good" in it.
 * @param fault may send another response instead; it then returns true
 * @returns `asked`: all requests; `paid`: number of verdicts by question
 */
async function judgeServer(
  t: TestContext,
  fault: (request: number, response: ServerResponse, id: string) => boolean | Promise<boolean> = () => false,
) {
  const asked: Asked[] = [];
  const paid = new Map<string, number>();
  const url = await serve(t, async (request, response) => {
    const body = JSON.parse(await bodyOf(request)) as { messages: { content: string }[] };
    const task = body.messages[0].content.split("# The task")[1];
    const id = /Count to (\d+)/.exec(task)![1];
    asked.push({ id, authorization: request.headers.authorization, time: Date.now() });
    if (await fault(asked.length, response, id)) return;
    pay(paid, id);
    answer(response, task.indexOf("good") < task.indexOf("poor") ? "Output (a)" : "Output (b)");
  });
  return { url: `${url}/v1`, asked, paid };
}

const pay = (paid: Map<string, number>, id: string) => paid.set(id, (paid.get(id) ?? 0) + 1);

function answer(response: ServerResponse, content: string): void {
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      choices: [{ message: { role: "assistant", content } }],
      usage: { prompt_tokens: 100, completion_tokens: 5 },
    }),
  );
}

function fail(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers).end(JSON.stringify({ error: { message: `status ${status} for ${KEY}` } }));
  return true;
}

const judge = (url: string, options: OpenAiJudgeOptions = {}) =>
  openAiJudge({ url, model: "test-judge", key: KEY, backoffSeconds: 0.01, concurrency: 2, ...options });

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "judge-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("judges in seeded orders, counts tokens and costs, and reports the length baseline", async (t) => {
  const server = await judgeServer(t);
  const progress: JudgeProgress[] = [];
  const price = { prompt: 2, completion: 10 };
  const result = await judgeOutputs({
    judge: judge(server.url, { price }),
    items: items(20),
    onProgress: (p) => progress.push(p),
  });
  assert.equal(result.winRate.winRate, 100);
  assert.equal(result.lengthBaseline.winRate, 0);
  assert.equal(result.malformed, 0);
  assert.deepEqual(
    { ...result.usage, cost: undefined },
    { answers: 20, promptTokens: 2000, completionTokens: 100, cost: undefined },
  );
  assert.ok(Math.abs(result.usage.cost! - 0.005) < 1e-12); // (2000 × 2 + 100 × 10) / 1e6
  const outputFirst = result.samples.filter(({ judgements: [{ first }] }) => first === "output").length;
  assert.ok(outputFirst >= 5 && outputFirst <= 15, `output first in ${outputFirst} of 20`);
  assert.equal(result.firstChosen, (100 * outputFirst) / 20);
  assert.equal(progress.length, 20);
  assert.deepEqual([progress.at(-1)!.done, progress.at(-1)!.total, progress.at(-1)!.cached], [20, 20, 0]);
  const again = await judgeOutputs({ judge: lengthJudge, items: items(20).map((item) => ({ ...item, output: "x" })) });
  assert.deepEqual(
    again.samples.map(({ judgements: [{ first }] }) => first),
    result.samples.map(({ judgements: [{ first }] }) => first),
    "the order depends on the output",
  );
  const other = await judgeOutputs({ judge: lengthJudge, items: items(20), seed: 1 });
  assert.notDeepEqual(
    other.samples.map(({ judgements: [{ first }] }) => first),
    result.samples.map(({ judgements: [{ first }] }) => first),
    "the seed does nothing",
  );
});

test("both orders: a judge that always answers (a) gets a win rate of 50, with every item inconsistent", async (t) => {
  const server = await judgeServer(t, (_, response) => (answer(response, "Output (a)"), true));
  const result = await judgeOutputs({ judge: judge(server.url), items: items(4), order: "both" });
  assert.deepEqual(
    [result.winRate.winRate, result.winRate.ties, result.inconsistent, result.firstChosen],
    [50, 4, 4, 100],
  );
  assert.equal(server.asked.length, 8);
});

test("retries busy and failing servers; Retry-After pauses all questions", async (t) => {
  const server = await judgeServer(t, (request, response) => {
    if (request === 1) return fail(response, 429, { "retry-after": "0.4" });
    if (request === 3) return fail(response, 500);
    if (request === 4) return fail(response, 503);
    if (request === 5) return (response.destroy(), true);
    if (request === 6) return (response.end("<html>gateway</html>"), true);
    return false;
  });
  const result = await judgeOutputs({ judge: judge(server.url, { concurrency: 1 }), items: items(5) });
  assert.equal(result.winRate.winRate, 100);
  assert.deepEqual([...server.paid.values()], [1, 1, 1, 1, 1]);
  assert.equal(server.asked.length, 10);
  const pause = server.asked[1].time - server.asked[0].time;
  assert.ok(pause >= 395, `retried after ${pause} ms instead of 400`);
});

test("a slow server times out and is retried; the final error names the cause, but not the key", async (t) => {
  const server = await judgeServer(t, () => true); // never answers
  const call = judgeOutputs({
    judge: judge(server.url, { timeoutSeconds: 0.05, retries: 1, concurrency: 1 }),
    items: items(3),
  });
  await assert.rejects(call, /test-judge at http:\/\/127\.0\.0\.1:\d+ failed 2 times; last: no answer within 0\.05 s/);
  assert.equal(server.asked.length, 2);
});

test("a rejected key ends the call immediately; the key does not appear in errors, properties or files", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  const server = await judgeServer(t, (request, response) => (request > 2 ? fail(response, 401) : false));
  const client = judge(server.url, { concurrency: 1 });
  const error = await judgeOutputs({ judge: client, items: items(5), cacheFile }).then(
    () => assert.fail("no error"),
    (error: Error) => error,
  );
  assert.match(error.message, /refuses the call \(HTTP 401.*\[key\].*PROMPTLOSS_JUDGE_KEY/);
  assert.equal(server.asked.length, 3);
  assert.equal(server.asked[0].authorization, `Bearer ${KEY}`);
  assert.equal(readFileSync(cacheFile, "utf8").trim().split("\n").length, 2);
  for (const shown of [error.stack!, JSON.stringify(client), readFileSync(cacheFile, "utf8")])
    assert.ok(!shown.includes(KEY), shown);
});

test("server stops half-way: answers are kept, the rest is asked later, nothing is paid for twice", async (t) => {
  const cacheFile = join(folder(t), "new", "judgements.jsonl");
  let alive = true;
  const server = await judgeServer(t, (request, response) => {
    if (request > 7) alive = false;
    return alive ? false : (response.destroy(), true);
  });
  await assert.rejects(
    judgeOutputs({ judge: judge(server.url, { retries: 1 }), items: items(20), cacheFile }),
    /the connection was reset|other side closed|fetch failed/,
  );
  const kept = readFileSync(cacheFile, "utf8").trim().split("\n").length;
  assert.ok(kept >= 6 && kept <= 7, `${kept} kept`);
  appendFileSync(cacheFile, '{"key":"torn'); // killed while writing
  alive = true;
  const revived = await judgeServer(t);
  const result = await judgeOutputs({ judge: judge(revived.url), items: items(20), cacheFile });
  assert.equal(result.winRate.winRate, 100);
  assert.equal(result.damagedLines, 1);
  assert.deepEqual([result.usage.answers, result.spent.answers], [20, 20 - kept]);
  for (let i = 0; i < 20; i++)
    assert.equal((server.paid.get(`${i}`) ?? 0) + (revived.paid.get(`${i}`) ?? 0), 1, `item ${i}`);
  const third = await judgeOutputs({ judge: judge(revived.url), items: items(20), cacheFile });
  assert.equal(revived.asked.length, 20 - kept);
  assert.deepEqual([third.spent.answers, third.usage.answers, third.winRate], [0, 20, result.winRate]);
});

test("a truncated last line loses only that answer", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  const server = await judgeServer(t);
  await judgeOutputs({ judge: judge(server.url), items: items(3), cacheFile });
  truncateSync(cacheFile, statSync(cacheFile).size - 10);
  for (const expected of [4, 4]) {
    await judgeOutputs({ judge: judge(server.url), items: items(3), cacheFile });
    assert.equal(server.asked.length, expected);
  }
});

test("model, parameters, order and outputs are part of the key; invalid lines of the file are skipped", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  writeFileSync(cacheFile, 'nonsense\n[]\nnull\n{"key":"k","verdict":"better"}\n');
  const server = await judgeServer(t);
  const count = async (options: OpenAiJudgeOptions, changed: Partial<JudgedItem> = {}) => {
    const before = server.asked.length;
    const { damagedLines } = await judgeOutputs({
      judge: judge(server.url, options),
      items: items(1).map((item) => ({ ...item, ...changed })),
      cacheFile,
    });
    assert.equal(damagedLines, 4);
    return server.asked.length - before;
  };
  assert.equal(await count({}), 1);
  assert.equal(await count({}), 0);
  assert.equal(await count({ key: "another" }), 0);
  assert.equal(await count({ model: "other" }), 1);
  assert.equal(await count({ parameters: { temperature: 1 } }), 1);
  assert.equal(await count({}, { output: "good indeed" }), 1);
  assert.equal(await count({}, { output: "poor and long 0", reference: "good 0" }), 1);
});

test("malformed answers are requested again, counted, reported, and never guessed", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  const server = await judgeServer(t, (request, response, id) => {
    if (id === "1" || (id === "2" && request === 5)) return (answer(response, "I cannot choose."), true);
    if (id === "3") return fail(response, 400);
    return false;
  });
  for (const call of [1, 2]) {
    const result = await judgeOutputs({ judge: judge(server.url, { concurrency: 1 }), items: items(5), cacheFile });
    // requests by item: 0 · 1 1 1 · 2 2 · 3 · 4; the second call only repeats the rejected item 3, which is free
    assert.equal(server.asked.length, call === 1 ? 8 : 9);
    assert.deepEqual([result.winRate.n, result.winRate.missing, result.malformed], [3, 2, 2]);
    assert.deepEqual(
      result.samples.map(({ preference }) => preference),
      [2, null, 2, null, 2],
    );
    assert.deepEqual(
      result.samples[1].judgements[0].answers.map(({ text }) => text),
      Array(3).fill("I cannot choose."),
    );
    assert.match(result.samples[3].judgements[0].answers[0].problem!, /HTTP 400/);
    assert.equal(result.usage.answers, 7);
  }
});

test("equal comparisons are requested once per call", async (t) => {
  const server = await judgeServer(t, async () => (await new Promise((resolve) => setTimeout(resolve, 20)), false));
  const result = await judgeOutputs({
    judge: judge(server.url, { concurrency: 4 }),
    items: [...items(2), ...items(2)],
  });
  assert.equal(server.asked.length, 2);
  assert.deepEqual([result.winRate.n, result.usage.answers], [4, 2]);
});

test("an interrupt stops new questions immediately and keeps pending answers", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  const controller = new AbortController();
  const server = await judgeServer(t, async (request) => {
    if (request === 4) controller.abort(new DOMException("Interrupted", "AbortError"));
    await new Promise((resolve) => setTimeout(resolve, 30));
    return false;
  });
  const options = { judge: judge(server.url), items: items(20), cacheFile };
  await assert.rejects(judgeOutputs({ ...options, signal: controller.signal }), { name: "AbortError" });
  assert.ok(server.asked.length <= 5, `${server.asked.length} questions`);
  const kept = server.asked.length;
  assert.equal(readFileSync(cacheFile, "utf8").trim().split("\n").length, kept);
  assert.equal((await judgeOutputs(options)).spent.answers, 20 - kept);
  assert.deepEqual([...server.paid.values()], Array(20).fill(1));
});

test("SIGKILL: every answer before the pending one is kept", async (t) => {
  const cacheFile = join(folder(t), "judgements.jsonl");
  const child: { process?: ChildProcess } = {};
  const server = await judgeServer(t, (request) => request === 6 && Boolean(child.process?.kill("SIGKILL")));
  child.process = spawn(
    process.execPath,
    ["--import", "tsx", join(__dirname, "judge-child.ts"), server.url, cacheFile, JSON.stringify(items(12))],
    { stdio: "inherit" },
  );
  const [, signal] = (await once(child.process, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL");
  assert.equal(server.asked.length, 6);
  const result = await judgeOutputs({ judge: judge(server.url), items: items(12), cacheFile });
  assert.deepEqual([result.spent.answers, result.winRate.winRate], [7, 100]);
  assert.deepEqual([...server.paid.values()], Array(12).fill(1));
});

test("respects the rate limit", async (t) => {
  const server = await judgeServer(t);
  const started = Date.now();
  await judgeOutputs({ judge: judge(server.url, { requestsPerMinute: 1200 }), items: items(4) });
  // measured from before the first request is sent, because it may take longer to arrive than the last one
  const span = server.asked[3].time - started;
  assert.ok(span >= 149, `4 requests at 20 a second took ${span} ms instead of at least 150`);
});

test("reads URL and model from the environment, and the error names a missing or invalid one", (t) => {
  for (const name of ["PROMPTLOSS_JUDGE_URL", "PROMPTLOSS_JUDGE_MODEL", "PROMPTLOSS_JUDGE_KEY"]) {
    const before = process.env[name];
    delete process.env[name];
    t.after(() => (before === undefined ? delete process.env[name] : (process.env[name] = before)));
  }
  assert.throws(() => openAiJudge(), /PROMPTLOSS_JUDGE_URL/);
  process.env.PROMPTLOSS_JUDGE_URL = "http://127.0.0.1:1/v1/";
  assert.throws(() => openAiJudge(), /PROMPTLOSS_JUDGE_MODEL/);
  process.env.PROMPTLOSS_JUDGE_MODEL = "mixtral";
  assert.equal(openAiJudge().name, "mixtral");
  assert.throws(() => openAiJudge({ url: "file:///etc/passwd" }), /must begin with https/);
  assert.throws(
    () => openAiJudge({ url: "https://me:secret@host/v1" }),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("parses verdicts in the documented format and rejects all other answers", () => {
  const cases: [string, string | null][] = [
    ["Output (a)", "first"],
    [" Output (b)\nbecause", "second"],
    ["I say:\nOutput (b)", "second"],
    ["Output (a)\nOutput (b)", null],
    ["The better is Output (a)", null],
    ["a", null],
    ["", null],
  ];
  for (const [text, verdict] of cases) assert.equal(ALPACA_EVAL_PROMPT.parse(text), verdict, text);
  const panda: [string, string | null][] = [
    ["1\n\n### Reason: short", "first"],
    ["2", "second"],
    ["Tie\n", "tie"],
    ["garbage", null],
    ["12", null],
    ["Response 1", null],
  ];
  for (const [text, verdict] of panda) assert.equal(PANDALM_PROMPT.parse(text), verdict, text);
  const [{ content }] = PANDALM_PROMPT.messages({ instruction: "I", input: "" }, "<s>one</s>", "two");
  assert.ok(content.includes("### Response 1:\none\n\n### Response 2:\ntwo") && !content.includes("### Input"));
});

test("the stand-in prefers the answer that overlaps more with the right answer, and requires one", async () => {
  const gold = "The lamp is kept in the cellar.";
  const item = {
    instruction: "Where is the lamp?",
    gold,
    output: "The lamp is in the cellar.",
    reference: "The ladder is in the barn, I think.",
  };
  const result = await judgeOutputs({
    judge: referenceJudge,
    items: [item, { ...item, output: item.reference, reference: item.output }, { ...item, output: item.reference }],
    order: "both",
  });
  assert.deepEqual(
    result.samples.map(({ preference }) => preference),
    [2, 1, 1.5],
  );
  assert.ok(result.standIn && result.judge.includes("stand-in"));
  await assert.rejects(
    judgeOutputs({ judge: referenceJudge, items: [{ ...item, gold: undefined }] }),
    /needs a right answer/,
  );
  await assert.rejects(judgeOutputs({ judge: referenceJudge, items: [] }), /items is empty/);
});
