import { existsSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../data/random";
import { checkVocabulary, loadTokenizer } from "../data/tokenizer";
import { parameterShapes, readModelConfig, type ModelConfig } from "./config";
import { readWeights } from "./directory";
import { generate, type Generation, type GenerationOptions } from "./generate";
import { Decoder } from "./llama";
import { logLikelihood, type LogLikelihood } from "./log-likelihoods";
import type { HostTensor } from "./safetensors";

/** A decoder with its tokenizer: generates text and scores continuations. */
export class CausalLM extends Decoder {
  /** Continues a prompt (text or ids), or several at once; greedy unless a temperature is given. */
  generate(prompt: string | number[], options: GenerationOptions): Promise<Generation>;
  generate(prompts: string[] | number[][], options: GenerationOptions): Promise<Generation[]>;
  async generate(
    prompt: string | number[] | string[] | number[][],
    options: GenerationOptions,
  ): Promise<Generation | Generation[]> {
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
   * Log-likelihood (in nats) of `continuation` after `context`, and whether greedy decoding would produce it.
   * Texts are tokenized together; what lies beyond the context's own tokens is scored.
   */
  logLikelihood(context: string | number[], continuation: string | number[]): LogLikelihood {
    const before = this.encode(context);
    const after =
      typeof continuation === "string"
        ? typeof context === "string"
          ? this.encode(context + continuation).slice(before.length)
          : this.needTokenizer().encode(continuation, { addSpecialTokens: false })
        : continuation;
    return logLikelihood(this, before, after);
  }

  private encode(text: string | number[]): number[] {
    return typeof text === "string" ? this.needTokenizer().encode(text) : text;
  }
}

/** Loads a Hugging Face directory of a LLaMA-architecture model, with its tokenizer where there is one. */
export function loadModel(dir: string): CausalLM {
  const config = readModelConfig(dir);
  const weights = readWeights(dir, config);
  const tokenizer = existsSync(join(dir, "tokenizer.json")) ? loadTokenizer(dir) : undefined;
  if (tokenizer) checkVocabulary(tokenizer, config.vocabularySize, dir);
  return new CausalLM(config, weights, dir, tokenizer);
}

/** A model with random weights, N(0, 0.02²) and ones for the norms, for pre-training from nothing. */
export function createModel(config: ModelConfig, seed: number, source?: string): CausalLM {
  const random = seededRandom(seed, "weights");
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const weights = new Map<string, HostTensor>();
  for (const [name, shape] of parameterShapes(config)) {
    const size = shape.reduce((product, n) => product * n, 1);
    weights.set(name, {
      shape,
      data:
        shape.length === 1
          ? new Float32Array(size).fill(1)
          : Float32Array.from({ length: size }, () => 0.02 * normal()),
    });
  }
  return new CausalLM(
    config,
    weights,
    source,
    source && existsSync(join(source, "tokenizer.json")) ? loadTokenizer(source) : undefined,
  );
}
