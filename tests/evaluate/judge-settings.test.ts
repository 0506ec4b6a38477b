import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { StudyError } from "../../lib/data/errors";
import { validated } from "../../lib/data/validate";
import { judgeOutputs } from "../../lib/evaluate/judge/judge";
import { openAiJudge } from "../../lib/evaluate/judge/judge-openai";
import { ALPACA_EVAL_PROMPT, PANDALM_PROMPT } from "../../lib/evaluate/judge/judge-prompts";
import { judgeFrom, judgeSettingsSchema, type JudgeSettings } from "../../lib/evaluate/judge/judge-settings";
import { findTasks } from "../../lib/evaluate/registry";
import { bodyOf, serve } from "../support/http-server";

const SECRET = "sk-secret-0123456789";
const settings: JudgeSettings = { url: "https://judge.example/v1", model: "a-judge" };

/** The message of the error that settings give. */
function refusal(given: unknown): string {
  try {
    validated(judgeSettingsSchema, given, "judge", StudyError);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail("no error");
}

/** Sets an environment variable for the time of a test. */
function setEnvironment(t: TestContext, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => (before === undefined ? delete process.env[name] : (process.env[name] = before)));
}

test("valid settings are returned as they are", () => {
  const whole: JudgeSettings = {
    ...settings,
    concurrency: 2,
    requestsPerMinute: 0.5,
    timeoutSeconds: 30,
    attempts: 1,
    parameters: { max_tokens: 5, temperature: null, reasoning: { effort: "low" } },
    price: { prompt: 0, completion: 1.5 },
  };
  assert.deepEqual(validated(judgeSettingsSchema, whole, "judge", StudyError), whole);
  assert.deepEqual(validated(judgeSettingsSchema, settings, "judge", StudyError), settings);
  assert.doesNotThrow(() => judgeFrom({ ...settings, url: "https://h/v1?api-version=2024" }, PANDALM_PROMPT));
});

test("a key in a file is refused wherever it stands, with advice, and never repeated", () => {
  const cases: [object, RegExp][] = [
    [{ key: SECRET }, /^judge: key: is not read from files, .* PROMPTLOSS_JUDGE_KEY$/],
    [{ apiKey: SECRET }, /^judge: apiKey: is not read from files/],
    [{ api_key: SECRET }, /^judge: api_key: is not read from files/],
    [{ API_KEY: SECRET, Token: SECRET }, /API_KEY: is not read(.|\n)*Token: is not read/],
    [{ authorization: SECRET }, /authorization: is not read/],
    [{ parameters: { "api-key": SECRET } }, /^judge: parameters\.api-key: is not read/],
    [{ url: `https://user:${SECRET}@judge.example/v1` }, /^judge: url: must not contain a key or password/],
    [{ url: `https://${SECRET}@judge.example/v1` }, /^judge: url: must not contain a key or password/],
    [{ url: `https://judge.example/v1?api_key=${SECRET}` }, /^judge: url: must not contain a key or password/],
  ];
  for (const [given, expected] of cases) {
    const message = refusal({ ...settings, ...given });
    assert.match(message, expected);
    assert.match(message, /PROMPTLOSS_JUDGE_KEY/);
    assert.ok(!message.includes(SECRET), message);
  }
});

test("every other mistake is named by its key", () => {
  const known = "known keys: url, model, concurrency, requestsPerMinute, timeoutSeconds, attempts, parameters, price";
  assert.equal(
    refusal({
      url: "file:///etc/passwd",
      model: "",
      concurrency: 0,
      requestsPerMinute: 0,
      timeoutSeconds: 1e9,
      attempts: 1.5,
      parameters: { model: "x", messages: [], stream: true },
      price: { prompt: -1 },
      prompt: "x",
    }),
    [
      "judge: 12 problems:",
      "  - url: must be a URL like https://host/v1",
      '  - model: must be a non-empty text, got ""',
      "  - concurrency: must be a whole number of at least 1, got 0",
      "  - requestsPerMinute: must be a number of requests above 0, at most 1000000, got 0",
      "  - timeoutSeconds: must be a number of seconds above 0, at most 86400, got 1000000000",
      "  - attempts: must be a whole number of at least 1, got 1.5",
      "  - parameters.model: cannot be set here",
      "  - parameters.messages: cannot be set here",
      "  - parameters.stream: cannot be set here",
      "  - price.prompt: must be a number of at least 0, got -1",
      "  - price.completion: is missing; known keys: prompt, completion",
      `  - prompt: unknown key; ${known}`,
    ].join("\n"),
  );
  assert.equal(refusal({ model: "m" }), `judge: url: is missing; ${known}`);
  assert.equal(refusal({ ...settings, url: 7 }), "judge: url: must be a URL like https://host/v1");
  assert.equal(refusal("gpt"), 'judge: must be an object, got "gpt"');
  assert.equal(
    refusal({ ...settings, parameters: [] }),
    "judge: parameters: must be an object of fields of the request, got []",
  );
});

test("the judge of settings sends their parameters, and the key of the environment", async (t) => {
  const asked: { body: Record<string, unknown>; authorization?: string; path?: string }[] = [];
  const base = await serve(t, async (request, response) => {
    const { authorization } = request.headers;
    const body = JSON.parse(await bodyOf(request)) as Record<string, unknown>;
    asked.push({ body, authorization, path: request.url });
    const choices = [{ message: { content: asked.length % 2 ? "no verdict" : "1\nbecause" } }];
    response.end(JSON.stringify({ choices, usage: { prompt_tokens: 1000, completion_tokens: 10 } }));
  });
  setEnvironment(t, "PROMPTLOSS_JUDGE_KEY", SECRET);
  setEnvironment(t, "PROMPTLOSS_JUDGE_URL", "http://127.0.0.1:9/elsewhere");
  setEnvironment(t, "PROMPTLOSS_JUDGE_MODEL", "another-judge");
  const judge = judgeFrom(
    {
      url: `${base}/v1`,
      model: "a-judge",
      concurrency: 1,
      attempts: 1,
      parameters: { max_tokens: 7, temperature: null, seed: 3 },
      price: { prompt: 1, completion: 100 },
    },
    PANDALM_PROMPT,
  );
  const items = [1, 2].map((i) => ({ instruction: `Question ${i}`, output: "yes", reference: "no" }));
  const result = await judgeOutputs({ judge, items });
  assert.deepEqual(
    asked.map(({ authorization, path }) => [authorization, path]),
    Array(2).fill([`Bearer ${SECRET}`, "/v1/chat/completions"]),
  );
  assert.deepEqual(Object.keys(asked[0].body).sort(), ["max_tokens", "messages", "model", "seed"]);
  assert.deepEqual([asked[0].body.model, asked[0].body.max_tokens, asked[0].body.seed], ["a-judge", 7, 3]);
  assert.match(JSON.stringify(asked[0].body.messages), /### Response 1:/);
  assert.deepEqual([result.malformed, result.winRate.n, result.judge], [1, 1, "a-judge"]);
  assert.equal(result.usage.cost, 0.004);
  assert.ok(!JSON.stringify([judge, result]).includes(SECRET));
});

test("Alpaca Eval and PandaLM use the judge of settings, each with its own prompt", () => {
  const [alpaca, panda] = findTasks(["alpaca_eval", "pandalm"], { judge: settings });
  const judgeOf = (task: typeof alpaca) => (task.kind === "generation" ? task.judge!() : assert.fail());
  assert.equal(judgeOf(alpaca).digest, openAiJudge({ ...settings, prompt: ALPACA_EVAL_PROMPT }).digest);
  assert.equal(judgeOf(panda).digest, openAiJudge({ ...settings, prompt: PANDALM_PROMPT }).digest);
  assert.notEqual(judgeOf(alpaca).digest, judgeOf(panda).digest);
});
