import { ModelError } from "../data/errors";
import type { Tokenizer } from "../data/tokenizer";
import { backwardBlock, forwardBlock, inferBlock } from "./block";
import { parameterShapes, type ModelConfig } from "./config";
import { weightsDigest, writeModelDirectory } from "./directory";
import {
  inferenceLayout,
  packedLayout,
  type InferenceLayout,
  type InferenceShape,
  type KeyValueCache,
  type PackedLayout,
} from "./layout";
import { inferLinear, operations } from "./operations";
import { RotaryTable } from "./rotary";
import type { HostTensor } from "./safetensors";
import { hostTensor, kernel, ownTensor, tf, type Tensor } from "./tensorflow";
import { BLOCK_WEIGHT_NAMES, type BlockContext, type BlockWeights } from "./block-context";

/** A batch of token ids in rows of one length (B, T), right- or left-padded. */
export interface IdBatch {
  ids: Int32Array;
  batch: number;
  length: number;
}

const EMBEDDING = "model.embed_tokens.weight";
const FINAL_NORM = "model.norm.weight";
const HEAD = "lm_head.weight";

/** A LLaMA-architecture decoder: RMSNorm, rotary embeddings, grouped-query attention, SwiGLU. */
export class Decoder {
  /** Weights by their Hugging Face names, float32. */
  readonly parameters = new Map<string, Tensor>();
  private readonly rotary: RotaryTable;
  private readonly epsilon: Tensor;

  constructor(
    readonly config: ModelConfig,
    weights: ReadonlyMap<string, HostTensor>,
    /** Directory this model came from: its tokenizer files go along when it is saved. */
    readonly source?: string,
    readonly tokenizer?: Tokenizer,
  ) {
    for (const name of parameterShapes(config).keys()) {
      this.parameters.set(name, ownTensor(weights.get(name)!));
    }
    this.rotary = new RotaryTable(config);
    this.epsilon = tf.keep(tf.scalar(config.normEpsilon));
  }

  /** Name of the output projection's tensor: the embedding itself where the two are tied. */
  get headName(): string {
    return this.config.tiedHead ? EMBEDDING : HEAD;
  }

  /** SHA-256 of the architecture and the weights as they are now. */
  get digest(): string {
    return weightsDigest(this.config, this.parameterValues());
  }

  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** The weights' values, as they are when they are asked for. */
  parameterValues(): Map<string, HostTensor> {
    return new Map([...this.parameters].map(([name, tensor]) => [name, hostTensor(tensor)]));
  }

  /** Puts new values into a weight; `value` now belongs to the model. */
  replaceParameter(name: string, value: Tensor): void {
    const old = this.parameters.get(name);
    if (!old || old.shape.join() !== value.shape.join())
      throw new ModelError(`no weight "${name}" of shape [${value.shape.join(", ")}] in this model.`);
    this.parameters.set(name, tf.keep(value));
    if (old !== value) old.dispose();
  }

  /**
   * Training pass over sequences of ids: hidden states after the last norm, (N, H), in the rows of `layout`, and a function
   * that takes their gradient and the output projection's, and gives that of every weight. The padding's row must have
   * gradient 0. Call it once; it frees the pass, and the projection's gradient becomes part of the result.
   */
  trainingPass(sequences: readonly (readonly number[])[]): {
    hidden: Tensor;
    layout: PackedLayout;
    backward(dHidden: Tensor, dHead: Tensor): Map<string, Tensor>;
  } {
    const layout = packedLayout(sequences, this.config);
    const context = this.context(layout, layout.positions);
    const ids = tf.tensor1d(layout.ids, "int32");
    let x = kernel.gather(this.parameter(EMBEDDING), ids);
    const saved: ReturnType<typeof forwardBlock>["saved"][] = [];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const pass = forwardBlock(x, this.blockWeights(layer), context);
      saved.push(pass.saved);
      x = pass.y;
    }
    const { y: hidden, scale } = operations.rmsNorm(x, this.parameter(FINAL_NORM), this.epsilon);

    const backward = (dHidden: Tensor, dHead: Tensor): Map<string, Tensor> => {
      const gradients = new Map<string, Tensor>();
      const norm = operations.rmsNormGradient(dHidden, x, this.parameter(FINAL_NORM), scale);
      gradients.set(FINAL_NORM, norm.dWeight);
      x.dispose();
      let dx = norm.dx;
      for (let layer = this.config.layers - 1; layer >= 0; layer--) {
        const block = backwardBlock(dx, this.blockWeights(layer), saved[layer], context);
        dx.dispose();
        dx = block.dx;
        for (const [role, gradient] of Object.entries(block.gradients))
          gradients.set(blockWeightName(layer, role as keyof BlockWeights), gradient);
      }
      if (!this.config.tiedHead) gradients.set(HEAD, dHead);
      const before = this.config.tiedHead ? dHead : kernel.zerosLike(this.parameter(EMBEDDING));
      gradients.set(EMBEDDING, operations.addRows(before, this.withoutPadding(dx, layout.ids), ids));
      return gradients;
    };
    return { hidden, layout, backward };
  }

  /**
   * Hidden states after the last norm, (B·T, H), without a gradient. Rows may be left-padded by `padding[row]` positions;
   * with `past`, the rows continue what its keys and values hold, and the returned cache holds both: the past may be part of
   * it, and must be neither changed nor continued again. `capacity` positions are what the cache will come to hold. With
   * `tail`, only the last so many positions of each row are wanted: (B·tail, H), and the last layer computes no others.
   */
  inferencePass(
    input: IdBatch,
    options: { padding?: number[]; past?: KeyValueCache[]; capacity?: number; tail?: number } = {},
  ): { hidden: Tensor; cache: KeyValueCache[] } {
    const { padding, past, capacity, tail = input.length } = options;
    const { batch, length } = input;
    const before = past?.[0].length ?? 0;
    return tf.tidy(() => {
      const context = this.inferenceContext({ batch, length, before, padding, capacity });
      const last =
        tail < length
          ? this.inferenceContext({ batch, length: tail, before: before + length - tail, padding, capacity })
          : context;
      let x = kernel.gather(this.parameter(EMBEDDING), tf.tensor1d(input.ids, "int32"));
      const cache: KeyValueCache[] = [];
      for (let layer = 0; layer < this.config.layers; layer++) {
        const pass = inferBlock(
          x,
          this.blockWeights(layer),
          context,
          past?.[layer],
          layer === this.config.layers - 1 ? last : context,
        );
        x.dispose();
        x = pass.y;
        cache.push(pass.cache);
      }
      return { hidden: operations.rmsNorm(x, this.parameter(FINAL_NORM), this.epsilon).y, cache };
    });
  }

  /** Output projection, without a gradient: hidden states (n, H) → logits (n, V). */
  project(hidden: Tensor): Tensor {
    return inferLinear(hidden, this.parameter(this.headName));
  }

  /** Logits after each token of one sequence: `ids.length` rows of `vocabularySize` float32 values. */
  logits(ids: number[]): Float32Array[] {
    this.checkIds(ids);
    const flat = tf.tidy(() =>
      this.project(
        this.inferencePass({ ids: Int32Array.from(ids), batch: 1, length: ids.length }).hidden,
      ).dataSync<"float32">(),
    );
    const { vocabularySize } = this.config;
    return ids.map((_, t) => flat.slice(t * vocabularySize, (t + 1) * vocabularySize) as Float32Array);
  }

  /** Writes a Hugging Face directory (float32 safetensors, config and the tokenizer this model came with). */
  save(dir: string): void {
    writeModelDirectory(dir, this.config, this.parameterValues(), this.source);
  }

  dispose(): void {
    tf.dispose([...this.parameters.values(), this.epsilon]);
    this.rotary.dispose();
    this.parameters.clear();
  }

  /** @throws {ModelError} for an empty sequence, one longer than the model's context, or an id outside its vocabulary */
  checkIds(ids: readonly number[]): void {
    const { vocabularySize, maxPositions } = this.config;
    if (ids.length === 0)
      throw new ModelError("an empty sequence of tokens has no logits; give at least the beginning-of-sequence token.");
    if (ids.length > maxPositions)
      throw new ModelError(`a sequence of ${ids.length} tokens is longer than the model's context of ${maxPositions}.`);
    const outside = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
    if (outside !== undefined)
      throw new ModelError(
        `token id ${outside} is outside the model's vocabulary of ${vocabularySize}; does the tokenizer belong to this model?`,
      );
  }

  needTokenizer(): Tokenizer {
    if (!this.tokenizer)
      throw new ModelError(`${this.source ?? "this model"} has no tokenizer.json: give token ids instead of text.`);
    return this.tokenizer;
  }

  private parameter(name: string): Tensor {
    return this.parameters.get(name)!;
  }

  private blockWeights(layer: number): BlockWeights {
    const roles = Object.keys(BLOCK_WEIGHT_NAMES) as (keyof BlockWeights)[];
    return Object.fromEntries(
      roles.map((role) => [role, this.parameter(blockWeightName(layer, role))]),
    ) as unknown as BlockWeights;
  }

  private context<Layout>(layout: Layout, positions: Int32Array): BlockContext<Layout> {
    const { config, epsilon } = this;
    return { config, layout, epsilon, ...this.rotary.at(positions) };
  }

  private inferenceContext(shape: InferenceShape): BlockContext<InferenceLayout> {
    const { batch, length, before, padding } = shape;
    const positions = Int32Array.from({ length: batch * length }, (_, i) =>
      Math.max(0, before + (i % length) - (padding?.[Math.floor(i / length)] ?? 0)),
    );
    return this.context(inferenceLayout(shape, this.config), positions);
  }

  /** As torch's nn.Embedding(padding_idx): the pad token's input embedding gets no gradient. */
  private withoutPadding(dx: Tensor, ids: Int32Array): Tensor {
    const { paddingIndex } = this.config;
    if (paddingIndex === null || !ids.includes(paddingIndex)) return dx;
    const keep = Float32Array.from(ids, (id) => (id === paddingIndex ? 0 : 1));
    return kernel.mul(dx, tf.tensor2d(keep, [ids.length, 1]));
  }
}

function blockWeightName(layer: number, role: keyof BlockWeights): string {
  return `model.layers.${layer}.${BLOCK_WEIGHT_NAMES[role]}`;
}
