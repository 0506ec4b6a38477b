// An OpenAI-compatible server whose answers a model of this library generates: a real judge without a paid service.
//
//   node --import tsx tests/evaluate/judge-server.ts --model <Hugging Face directory> [--port n]
//
// It listens on 127.0.0.1, and prints one line of JSON, {"port", "url", "model"}, when it is ready. `url` and `model` are
// what a judge's settings need. Requests are answered one after another, by greedy decoding.
//
// POST /v1/chat/completions: `model`, `messages`, `max_tokens` (default: what fits), `stop` (a text or a list), and
// vLLM's `truncate_prompt_tokens` (keep the last n tokens of a long prompt); `temperature` may only be 0.
// GET /v1/models: the model.
//
// A model whose tokenizer has the token <|im_start|> gets its messages in ChatML. A base model knows no roles. It gets the
// contents of all messages, separated by blank lines, and continues that text.
// Nothing follows the last message: a tokenizer may join line breaks at the end of a prompt in another way than before
// more text, so the model writes them itself.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { PromptlossError, errorText } from "../../lib/data/errors";
import { parseJson } from "../../lib/data/read-json";
import { listOf, rule, text, validated, wholeNumber } from "../../lib/data/validate";
import { cutAtStops, stopsWhen } from "../../lib/evaluate/answer";
import type { Tokenizer } from "../../lib/data/tokenizer";
import { loadModel, type CausalLM } from "../../lib/model/causal-lm";
import { bodyOf } from "../support/http-server";

/** A request that the server refuses, with its HTTP status. */
class Refusal extends PromptlossError {
  override name = "Refusal";
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

class BadRequest extends Refusal {
  override name = "BadRequest";
  constructor(message: string) {
    super(400, message);
  }
}

const messages = listOf(v.looseObject({ role: text, content: v.string() }));

/** The fields that are used; others are ignored, as OpenAI-compatible servers do. */
const completionRequest = v.looseObject({
  model: text,
  messages,
  max_tokens: v.optional(wholeNumber(1)),
  stop: v.optional(v.union([text, v.array(text)]), []),
  truncate_prompt_tokens: v.optional(wholeNumber(1)),
  temperature: v.optional(rule<number>("0: only greedy decoding is offered", (value) => value === 0)),
  stream: v.optional(rule<boolean>("false", (value) => value === false)),
});

/** The text that a model continues, see the head of this file. */
export function chatText(given: readonly { role: string; content: string }[], tokenizer?: Tokenizer): string {
  const isChatMl = tokenizer?.encode("<|im_start|>", { addSpecialTokens: false }).length === 1;
  if (!isChatMl) return given.map(({ content }) => content).join("\n\n");
  const turns = given.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
  return `${turns.join("")}<|im_start|>assistant\n`;
}

/** A server that is running. */
export interface JudgeServer {
  port: number;
  /** base URL for a judge's settings */
  url: string;
  /** name of the model for a judge's settings: that of its directory */
  model: string;
  /** stops the server and disposes of the model */
  close(): Promise<void>;
}

/**
 * Starts a server.
 * @param directory Hugging Face directory of the model
 * @param port default: one that is free
 */
export async function startJudgeServer(directory: string, port = 0): Promise<JudgeServer> {
  const model = loadModel(directory);
  const name = basename(resolve(directory));
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    respond(request, (body) => inTurn(() => complete(model, name, body, gone.signal)), name).then(
      (answer) => send(response, 200, answer),
      (error: unknown) =>
        send(response, error instanceof Refusal ? error.status : 500, { error: { message: errorText(error) } }),
    );
  });
  await new Promise<void>((ready) => server.listen(port, "127.0.0.1", ready));
  const { port: actual } = server.address() as AddressInfo;
  return {
    port: actual,
    url: `http://127.0.0.1:${actual}/v1`,
    model: name,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await last;
      model.dispose();
    },
  };
}

async function respond(
  request: IncomingMessage,
  completion: (body: unknown) => Promise<unknown>,
  model: string,
): Promise<unknown> {
  const route = `${request.method} ${request.url}`;
  if (route === "GET /v1/models") return { object: "list", data: [{ id: model, object: "model", owned_by: "local" }] };
  if (route !== "POST /v1/chat/completions") throw new Refusal(404, `there is no ${route}`);
  const body = await bodyOf(request);
  try {
    return await completion(parseJson(body, "the request"));
  } catch (error) {
    throw error instanceof PromptlossError && !(error instanceof Refusal) ? new BadRequest(error.message) : error;
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Answers one request. */
async function complete(model: CausalLM, name: string, body: unknown, signal: AbortSignal): Promise<unknown> {
  const request = validated(completionRequest, body, "the request", BadRequest);
  if (request.model !== name) throw new Refusal(404, `there is no model ${request.model}; it is called ${name}`);
  const tokenizer = model.needTokenizer();
  const { maxPositions } = model.config;
  const whole = tokenizer.encode(chatText(request.messages, tokenizer));
  const prompt = whole.slice(-(request.truncate_prompt_tokens ?? whole.length));
  const room = maxPositions - prompt.length;
  const { max_tokens: maxNewTokens = room } = request;
  if (room < 1 || maxNewTokens > room) {
    const asked = `${prompt.length} tokens of the messages and ${maxNewTokens} of the answer`;
    throw new BadRequest(`the context has ${maxPositions} tokens, too few for ${asked}`);
  }
  const stops = [request.stop].flat();
  const stopWhen = stopsWhen(tokenizer, stops);
  const { ids, text: answer, finish } = await model.generate(prompt, { maxNewTokens, stopWhen, signal });
  return {
    id: "chatcmpl-local",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model: name,
    choices: [{ index: 0, message: { role: "assistant", content: cutAtStops(answer, stops) }, finish_reason: finish }],
    usage: {
      prompt_tokens: prompt.length,
      completion_tokens: ids.length,
      total_tokens: prompt.length + ids.length,
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { model: { type: "string" }, port: { type: "string", default: "0" } } });
  if (values.model === undefined || !/^\d+$/.test(values.port)) {
    throw new Error("usage: judge-server.ts --model <Hugging Face directory> [--port n]");
  }
  const { port, url, model, close } = await startJudgeServer(values.model, Number(values.port));
  process.stdout.write(`${JSON.stringify({ port, url, model })}\n`);
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => void close());
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${errorText(error)}\n`);
    process.exitCode = 1;
  });
}
