import * as v from "valibot";
import { aText, anObject, checkOptions, count, type OptionSchemas } from "../../data/arguments";
import { objectOf, rule, wholeNumber } from "../../data/validate";
import { sha256 } from "../../data/digest";
import { backoff, networkProblem, retryAfter, wait } from "../../data/http";
import type { Judge } from "./judge";
import { ALPACA_EVAL_PROMPT, type JudgePrompt } from "./judge-prompts";
import { abridged } from "../../data/well-formed";
import { EvaluationError } from "../../data/errors";
import type { JudgeAnswer } from "./judge-cache";

/** Options of {@link openAiJudge}. Names in capitals are environment variables. */
export interface OpenAiJudgeOptions {
  /** base URL, to which `/chat/completions` is appended; default `PROMPTLOSS_JUDGE_URL` */
  url?: string;
  /** default `PROMPTLOSS_JUDGE_MODEL` */
  model?: string;
  /** API key; default `PROMPTLOSS_JUDGE_KEY`, or no key */
  key?: string;
  /** default {@link ALPACA_EVAL_PROMPT} */
  prompt?: JudgePrompt;
  /**
   * additional fields of the request, or other values of `temperature` (default 0) and `max_tokens` (default: the
   * prompt's `maxTokens`); `undefined` removes a field
   */
  parameters?: Record<string, unknown>;
  /** number of concurrent questions; default 4 */
  concurrency?: number;
  /** default: unlimited, except by the server */
  requestsPerMinute?: number;
  /** time limit of one request; default 120 */
  timeoutSeconds?: number;
  /** maximum number of retries of a request if the server is busy, fails or closes the connection; default 6 */
  retries?: number;
  /**
   * pause before the first retry, doubled for each further one up to 30 s; a Retry-After header overrides it; default 1
   */
  backoffSeconds?: number;
  /** maximum number of times a question is asked until its answer can be parsed; default 3 */
  attempts?: number;
  /** price per million tokens, in any currency; without it no cost is reported */
  price?: { prompt: number; completion: number };
}

const aboveZero = rule("a number above 0", (value) => typeof value === "number" && value > 0);
const atLeastZero = rule("a number of at least 0", (value) => typeof value === "number" && value >= 0);

const OPTIONS: OptionSchemas<OpenAiJudgeOptions> = {
  url: aText,
  model: aText,
  // the message must not show what may be a secret
  key: v.custom((value) => typeof value === "string", "must be a text"),
  prompt: anObject,
  parameters: anObject,
  concurrency: count,
  requestsPerMinute: aboveZero,
  timeoutSeconds: aboveZero,
  retries: wholeNumber(0),
  backoffSeconds: atLeastZero,
  attempts: count,
  price: objectOf({ prompt: atLeastZero, completion: atLeastZero }),
};

/** Maximum pause, in seconds, that a server may request with Retry-After. */
const MAX_PAUSE = 600;
/** Time, in seconds, that pending answers get to arrive after an interrupt, because they are paid for. */
const GRACE = 10;

/** Outcome of one request: an answer, or a problem for which the request is retried after `pause` seconds. */
type Outcome = { answer: JudgeAnswer } | { problem: string; pause?: number };

/** Everything that a request needs besides its body. */
interface Connection {
  endpoint: URL;
  /** "" for no key */
  key: string;
  timeoutSeconds: number;
  prompt: JudgePrompt;
  /** description of the judge for error messages */
  label: string;
}

/**
 * Creates a judge that asks a model behind an OpenAI-compatible `chat/completions` endpoint.
 *
 * A request is retried with growing pauses if the server is busy (429), fails (5xx), or does not answer. If the server
 * rejects a request because of its content (400, 413, 422), the comparison has no verdict. If it rejects the caller
 * (401, 403, 404, or an account without credit), the call ends with an {@link EvaluationError}. The key is sent to this
 * endpoint only, and does not appear in errors, the cache, or properties of the judge.
 * @throws {EvaluationError} if the URL or model is missing, or the URL is invalid
 */
export function openAiJudge(options: OpenAiJudgeOptions = {}): Judge {
  checkOptions("openAiJudge", options, OPTIONS, { ErrorClass: EvaluationError });
  const { PROMPTLOSS_JUDGE_URL, PROMPTLOSS_JUDGE_MODEL, PROMPTLOSS_JUDGE_KEY } = process.env;
  const {
    prompt = ALPACA_EVAL_PROMPT,
    concurrency = 4,
    requestsPerMinute = Infinity,
    timeoutSeconds = 120,
    retries = 6,
    backoffSeconds = 1,
    attempts = 3,
    price,
  } = options;
  const model = options.model ?? PROMPTLOSS_JUDGE_MODEL;
  const key = options.key ?? PROMPTLOSS_JUDGE_KEY ?? "";
  const endpoint = endpointOf(options.url ?? PROMPTLOSS_JUDGE_URL);
  if (!model)
    throw new EvaluationError(
      "No judge model is configured: set PROMPTLOSS_JUDGE_MODEL or openAiJudge's option model.",
    );
  const parameters = { temperature: 0, max_tokens: prompt.maxTokens, ...options.parameters };
  const label = `The judge ${model} at ${endpoint.origin}`;
  const connection: Connection = { endpoint, key, timeoutSeconds, prompt, label };
  const gate = requestGate(requestsPerMinute);

  return {
    name: model,
    standIn: false,
    concurrency,
    attempts,
    digest: sha256(
      JSON.stringify([
        model,
        parameters,
        prompt.name,
        prompt.messages({ instruction: "{instruction}", input: "{input}" }, "{first}", "{second}"),
      ]),
    ),
    cost: (promptTokens, completionTokens) =>
      price && (promptTokens * price.prompt + completionTokens * price.completion) / 1e6,
    compare: async (question, first, second, { signal } = {}) => {
      const body = JSON.stringify({ model, messages: prompt.messages(question, first, second), ...parameters });
      for (let retry = 1; ; retry++) {
        await gate.enter(signal);
        const outcome = await sendRequest(connection, body, signal);
        if ("answer" in outcome) return outcome.answer;
        const { problem, pause } = outcome;
        if (retry > retries || (pause ?? 0) > MAX_PAUSE) {
          const cause =
            pause !== undefined && pause > MAX_PAUSE
              ? `requested a ${Math.round(pause)} s pause (Retry-After)`
              : `failed ${retry} times`;
          throw new EvaluationError(
            `${label} ${cause}; last: ${problem}. Judgements made so far are kept; repeat the call later to continue.`,
          );
        }
        if (pause !== undefined) gate.close(pause);
        else await wait(backoff(retry, backoffSeconds), signal);
      }
    },
  };
}

/**
 * Sends one request. Interrupting it leaves the server {@link GRACE} seconds to answer.
 * @throws {EvaluationError} if the server rejects the caller
 * @throws the signal's reason, if the request fails after `signal` was aborted
 */
async function sendRequest(connection: Connection, body: string, signal?: AbortSignal): Promise<Outcome> {
  const { endpoint, key, timeoutSeconds, prompt, label } = connection;
  const withoutKey = (text: string) => (key ? text.replaceAll(key, "[key]") : text);
  const controller = new AbortController();
  const timers = [setTimeout(() => controller.abort(), 1000 * timeoutSeconds)];
  const stop = () => void timers.push(setTimeout(() => controller.abort(), 1000 * GRACE));
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
    const response = await fetch(endpoint, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      signal: controller.signal,
    });
    const text = withoutKey(await response.text());
    if (response.ok) return readAnswer(text, prompt);
    const { status } = response;
    const problem = `HTTP ${status}${text.trim() && `: ${abridged(text.trim(), 300)}`}`;
    if ([400, 413, 422].includes(status)) return { answer: { verdict: null, problem, paid: false } };
    const isOutOfCredit = status === 429 && text.includes("insufficient_quota");
    if (!isOutOfCredit && ([408, 409, 425, 429].includes(status) || status >= 500))
      return { problem, pause: retryAfter(response.headers.get("retry-after")) };
    throw new EvaluationError(
      `${label} refuses the call (${problem}). ${adviceFor(status)} Judgements made so far are kept.`,
    );
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    signal?.throwIfAborted();
    return {
      problem: controller.signal.aborted ? `no answer within ${timeoutSeconds} s` : withoutKey(networkProblem(error)),
    };
  } finally {
    signal?.removeEventListener("abort", stop);
    timers.forEach((timer) => clearTimeout(timer));
  }
}

function endpointOf(url: string | undefined): URL {
  if (!url)
    throw new EvaluationError(
      "No judge endpoint is configured: set PROMPTLOSS_JUDGE_URL (for example https://api.openai.com/v1) " +
        "or openAiJudge's option url.",
    );
  let endpoint: URL;
  try {
    endpoint = new URL(url);
  } catch {
    throw new EvaluationError("The judge's URL is invalid: it must look like https://host/v1.");
  }
  if (!["http:", "https:"].includes(endpoint.protocol))
    throw new EvaluationError(`The judge's URL must begin with https:// or http://, got ${endpoint.protocol}`);
  if (endpoint.username || endpoint.password)
    throw new EvaluationError(
      "The judge's URL must not contain a user name or password; set the key with PROMPTLOSS_JUDGE_KEY.",
    );
  const path = endpoint.pathname.replace(/\/+$/, "");
  endpoint.pathname = path.endsWith("/chat/completions") ? path : `${path}/chat/completions`;
  return endpoint;
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return "Check PROMPTLOSS_JUDGE_KEY.";
  if (status === 404) return "Check PROMPTLOSS_JUDGE_URL and PROMPTLOSS_JUDGE_MODEL.";
  if (status === 429) return "The account has no credit; add some.";
  if (status >= 300 && status < 400) return "The server redirects; set the URL that it redirects to.";
  return "";
}

/** The fields of a response that are used; all may be missing. */
interface Completion {
  choices?: { message?: { content?: unknown } }[];
  usage?: Record<string, unknown> | null;
}

function readAnswer(text: string, prompt: JudgePrompt): Outcome {
  let body: Completion | null;
  try {
    body = JSON.parse(text) as Completion | null;
  } catch {
    return { problem: `the response is not JSON: ${abridged(text, 100)}` };
  }
  const message = Array.isArray(body?.choices) ? body!.choices[0]?.message : undefined;
  if (typeof message !== "object" || message === null)
    return { problem: `the response has no choices: ${abridged(text, 100)}` };
  const content = typeof message.content === "string" ? message.content : "";
  const verdict = prompt.parse(content);
  const count = (value: unknown) => (Number.isFinite(value) && (value as number) >= 0 ? (value as number) : undefined);
  return {
    answer: {
      verdict,
      text: content,
      ...(verdict === null && { problem: "the answer is not in the requested format" }),
      promptTokens: count(body?.usage?.prompt_tokens),
      completionTokens: count(body?.usage?.completion_tokens),
    },
  };
}

/** Rate limiter: admits at most `perMinute` requests per minute, and none during a pause that the server requested. */
function requestGate(perMinute: number) {
  let nextStart = 0; // earliest time (ms) of the next request
  return {
    enter: async (signal?: AbortSignal) => {
      for (;;) {
        signal?.throwIfAborted();
        const now = performance.now();
        if (now >= nextStart) {
          nextStart = now + 60_000 / perMinute;
          return;
        }
        await wait((nextStart - now) / 1000, signal);
      }
    },
    close: (seconds: number) => {
      nextStart = Math.max(nextStart, performance.now() + 1000 * seconds);
    },
  };
}
