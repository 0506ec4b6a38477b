import { sha256 } from "../../data/digest";
import { backoff, networkProblem, retryAfter, wait } from "../../data/http";
import type { Judge } from "./judge";
import { ALPACA_EVAL_PROMPT, type JudgePrompt } from "./judge-prompts";
import { EvaluationError } from "../../data/errors";
import type { JudgeAnswer } from "./judge-cache";

export interface OpenAiJudgeOptions {
  /** the address before `/chat/completions`; default `PROMPTLOSS_JUDGE_URL` */
  url?: string;
  /** default `PROMPTLOSS_JUDGE_MODEL` */
  model?: string;
  /** default `PROMPTLOSS_JUDGE_KEY`; none where the endpoint wants none */
  key?: string;
  /** default {@link ALPACA_EVAL_PROMPT} */
  prompt?: JudgePrompt;
  /** more fields of the request, or other values for `temperature` (0) and `max_tokens` (the prompt's); `undefined` leaves one out */
  parameters?: Record<string, unknown>;
  /** questions at a time; default 4 */
  concurrency?: number;
  /** default: no limit but the server's */
  requestsPerMinute?: number;
  /** of one request; default 120 */
  timeoutSeconds?: number;
  /** more tries of one request after busy servers, failures and lost connections; default 6 */
  retries?: number;
  /** the first wait between tries, which then doubles up to 30 s; a server's Retry-After goes first; default 1 */
  backoffSeconds?: number;
  /** times a question is asked in all until its answer can be read; default 3 */
  attempts?: number;
  /** per million tokens; without it no cost is given */
  price?: { prompt: number; completion: number };
}

/** A server that asks for a longer pause than this (seconds) is not waited for. */
const LONGEST_PAUSE = 600;
/** Answers under way when the call is interrupted are paid for: they get this long to arrive (seconds). */
const GRACE = 10;

/** One request's outcome: an answer, or that it is worth trying again. */
type Outcome = { answer: JudgeAnswer } | { problem: string; pause?: number };

/**
 * A judge model behind any OpenAI-compatible `chat/completions` endpoint.
 *
 * Busy (429), failing (5xx) and silent servers are tried again, with growing pauses. A request that the server refuses for its
 * content (400, 413, 422) leaves its comparison without a verdict; one that it refuses for the caller (401, 403, 404, an empty
 * account) ends the call. The key is sent to this address only, and appears in no error, cache or property.
 * @throws {EvaluationError} when address or model is missing
 */
export function openAiJudge(options: OpenAiJudgeOptions = {}): Judge {
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
    throw new EvaluationError("There is no judge model: set PROMPTLOSS_JUDGE_MODEL, or give openAiJudge a model.");
  const parameters = { temperature: 0, max_tokens: prompt.maxTokens, ...options.parameters };
  const where = `The judge ${model} at ${endpoint.origin}`;
  const withoutKey = (text: string) => (key ? text.replaceAll(key, "[key]") : text);
  const gate = requestGate(requestsPerMinute);

  const request = async (body: string, signal?: AbortSignal): Promise<Outcome> => {
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
      const problem = `HTTP ${response.status}${text.trim() && `: ${text.trim().slice(0, 300)}`}`;
      if ([400, 413, 422].includes(response.status)) return { answer: { verdict: null, problem, paid: false } };
      const empty = response.status === 429 && text.includes("insufficient_quota");
      if (!empty && ([408, 409, 425, 429].includes(response.status) || response.status >= 500)) {
        return { problem, pause: retryAfter(response.headers.get("retry-after")) };
      }
      throw new EvaluationError(
        `${where} refuses the call (${problem}). ${adviceFor(response.status)} Judgements made so far are kept.`,
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
  };

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
        const outcome = await request(body, signal);
        if ("answer" in outcome) return outcome.answer;
        const { problem, pause } = outcome;
        if (retry > retries || (pause ?? 0) > LONGEST_PAUSE) {
          const asked =
            pause !== undefined && pause > LONGEST_PAUSE
              ? `asks to be left alone for ${Math.round(pause)} s`
              : `failed ${retry} times`;
          throw new EvaluationError(
            `${where} ${asked}; last: ${problem}. Judgements made so far are kept: repeat the call later to go on.`,
          );
        }
        if (pause !== undefined) gate.close(pause);
        else await wait(backoff(retry, backoffSeconds), signal);
      }
    },
  };
}

function endpointOf(url: string | undefined): URL {
  if (!url)
    throw new EvaluationError(
      "There is no judge endpoint: set PROMPTLOSS_JUDGE_URL (for example https://api.openai.com/v1), or give openAiJudge a url.",
    );
  let endpoint: URL;
  try {
    endpoint = new URL(url);
  } catch {
    throw new EvaluationError("The judge's url is not an address: it must look like https://host/v1.");
  }
  if (!["http:", "https:"].includes(endpoint.protocol))
    throw new EvaluationError(`The judge's url must begin with https:// or http://, not ${endpoint.protocol}`);
  if (endpoint.username || endpoint.password)
    throw new EvaluationError(
      "The judge's url must hold no user name or password; the key goes into PROMPTLOSS_JUDGE_KEY.",
    );
  const path = endpoint.pathname.replace(/\/+$/, "");
  endpoint.pathname = path.endsWith("/chat/completions") ? path : `${path}/chat/completions`;
  return endpoint;
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return "Check PROMPTLOSS_JUDGE_KEY.";
  if (status === 404) return "Check PROMPTLOSS_JUDGE_URL and PROMPTLOSS_JUDGE_MODEL.";
  if (status === 429) return "The account is empty.";
  if (status >= 300 && status < 400) return "It redirects; give the address it redirects to.";
  return "";
}

/** What of an answer is looked at, if it is there. */
interface Completion {
  choices?: { message?: { content?: unknown } }[];
  usage?: Record<string, unknown> | null;
}

function readAnswer(text: string, prompt: JudgePrompt): Outcome {
  let body: Completion | null;
  try {
    body = JSON.parse(text) as Completion | null;
  } catch {
    return { problem: `the answer is not JSON: ${text.slice(0, 100)}` };
  }
  const message = Array.isArray(body?.choices) ? body!.choices[0]?.message : undefined;
  if (typeof message !== "object" || message === null)
    return { problem: `the answer has no choices: ${text.slice(0, 100)}` };
  const content = typeof message.content === "string" ? message.content : "";
  const verdict = prompt.parse(content);
  const count = (value: unknown) => (typeof value === "number" && value >= 0 ? value : undefined);
  return {
    answer: {
      verdict,
      text: content,
      ...(verdict === null && { problem: "the answer is not in the format asked for" }),
      promptTokens: count(body?.usage?.prompt_tokens),
      completionTokens: count(body?.usage?.completion_tokens),
    },
  };
}

/** Lets requests through one by one, at most so many a minute and none while the server asked for a pause. */
function requestGate(perMinute: number) {
  let free = 0; // time (ms) from which the next request may go
  return {
    enter: async (signal?: AbortSignal) => {
      for (;;) {
        signal?.throwIfAborted();
        const now = Date.now();
        if (now >= free) {
          free = now + 60_000 / perMinute;
          return;
        }
        await wait((free - now) / 1000, signal);
      }
    },
    close: (seconds: number) => {
      free = Math.max(free, Date.now() + 1000 * seconds);
    },
  };
}
