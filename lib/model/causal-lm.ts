import { aFunction, abortSignal, aNumber, checkOptions, count, numbers, type OptionSchemas } from "../data/arguments";
import { tokenizerHome } from "../data/adapter-base";
import { ModelError } from "../data/errors";
import { integer, rule, shown } from "../data/validate";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../data/random";
import { checkVocabulary, loadTokenizer } from "../data/tokenizer";
import { checkModelConfig, type ModelConfig } from "./config";
import { readModel } from "./directory";
import { generate, type Generation, type GenerationOptions } from "./generate";
import { Decoder } from "./llama";
import { logLikelihood, type LogLikelihood } from "./log-likelihoods";
import { parameterShapes } from "./parameters";
import type { HostTensor } from "./safetensors";
import { traitsOf } from "./architecture";

const GENERATION_OPTIONS: OptionSchemas<GenerationOptions> = {
  maxNewTokens: rule("a number, or a list of numbers", (value) =>
    [value].flat().every((limit) => typeof limit === "number"),
  ),
  temperature: aNumber,
  topP: aNumber,
  seed: integer,
  stopIds: numbers,
  stopWhen: aFunction,
  batchSize: count,
  signal: abortSignal,
};

/** A decoder with its tokenizer, which generates text and scores continuations. */
export class CausalLM extends Decoder {
  /**
   * Generates a continuation of a prompt; greedy unless a temperature is given.
   *
   * @param prompt text or token ids
   * @throws {ModelError} for invalid options or ids, or for a text if the model has no tokenizer
   */
  generate(prompt: string | number[], options: GenerationOptions): Promise<Generation>;
  /**
   * Generates continuations of several prompts; greedy unless a temperature is given.
   *
   * @param prompts texts or token ids
   * @returns generations in the order of the prompts
   * @throws {ModelError} for invalid options or ids, or for a text if the model has no tokenizer
   */
  generate(prompts: string[] | number[][], options: GenerationOptions): Promise<Generation[]>;
  async generate(
    prompt: string | number[] | string[] | number[][],
    options: GenerationOptions,
  ): Promise<Generation | Generation[]> {
    checkOptions("generate", options, GENERATION_OPTIONS, { needed: ["maxNewTokens"], ErrorClass: ModelError });
    if (typeof prompt !== "string" && !Array.isArray(prompt))
      throw new ModelError(`generate: the prompt is ${shown(prompt)}, not a text, a list of ids, or a list of these.`);
    const single = typeof prompt === "string" || typeof prompt[0] === "number";
    const prompts = (single ? [prompt] : prompt) as (string | number[])[];
    const generations = await generate(
      this,
      prompts.map((p) => this.encode(p)),
      options,
    );
    return single ? generations[0] : generations;
  }

  /**
   * Computes the log-likelihood of a continuation, log p(continuation | context), and whether greedy decoding would
   * produce it. If both are texts, they are tokenized together, and the tokens after the number of tokens that the
   * context alone has are scored.
   *
   * @param context text or token ids; at least one token
   * @param continuation text or token ids; for a text after ids no special tokens are added
   * @returns the sum in nats
   * @throws {ModelError} for an empty context, invalid ids, or a text if the model has no tokenizer
   */
  logLikelihood(context: string | number[], continuation: string | number[]): LogLikelihood {
    const contextIds = this.encode(context);
    let continuationIds: number[];
    if (typeof continuation !== "string") continuationIds = this.encode(continuation);
    else if (typeof context === "string")
      continuationIds = this.encode(context + continuation).slice(contextIds.length);
    else continuationIds = this.needTokenizer().encode(continuation, { addSpecialTokens: false });
    return logLikelihood(this, contextIds, continuationIds);
  }

  private encode(text: string | number[]): number[] {
    if (typeof text === "string") return this.needTokenizer().encode(text);
    if (Array.isArray(text) && text.every((id) => typeof id === "number")) return text;
    throw new ModelError(`${shown(text)} is neither a text nor a list of token ids.`);
  }
}

/**
 * Loads a model from a Hugging Face directory, with its tokenizer if there is a tokenizer.json. The caller disposes the
 * model.
 *
 * @param dir directory with config.json and weights; or with an adapter, as PEFT writes it, whose base is then
 *   loaded, and the adapter merged
 * @throws {ModelError} if a file is missing, damaged or not supported
 * @throws {DataError} if the tokenizer cannot be used, or does not fit the model's vocabulary
 */
export function loadModel(dir: string): CausalLM {
  const { config, parameters } = readModel(dir);
  const tokenizer = existsSync(join(tokenizerHome(dir), "tokenizer.json")) ? loadTokenizer(dir) : undefined;
  if (tokenizer) checkVocabulary(tokenizer, config.vocabularySize, dir);
  return new CausalLM(config, parameters, dir, tokenizer);
}

/**
 * Creates a model with random parameters for pre-training: N(0, 0.02²), factors of 1 in the norms, biases of 0. The caller
 * disposes it.
 *
 * @param seed the same seed gives the same parameters
 * @param source directory whose tokenizer files the model uses, and copies when it is saved; default: none
 * @throws {ModelError} if no model can have this config
 */
export function createModel(config: ModelConfig, seed: number, source?: string): CausalLM {
  checkModelConfig(config, "createModel");
  const random = seededRandom(seed, "weights");
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const parameters = new Map<string, HostTensor>();
  for (const [name, shape] of parameterShapes(config)) {
    const size = shape.reduce((product, n) => product * n, 1);
    const data = new Float32Array(size).fill(name.endsWith(".bias") ? 0 : 1 - traitsOf(config).normOffset);
    if (shape.length > 1) for (let i = 0; i < size; i++) data[i] = 0.02 * normal();
    parameters.set(name, { shape, data });
  }
  const tokenizer = source && existsSync(join(source, "tokenizer.json")) ? loadTokenizer(source) : undefined;
  return new CausalLM(config, parameters, source, tokenizer);
}
