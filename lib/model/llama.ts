import { ModelError } from "../data/errors";
import type { Tokenizer } from "../data/tokenizer";
import { backwardBlock, forwardBlock, inferBlock } from "./block";
import { parameterShapes, type ModelConfig } from "./config";
import { readTokenizerCopy, weightsDigest, writeModelDirectory } from "./directory";
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

/** A batch of token ids (B, T): sequences of equal length, padded on the right or on the left. */
export interface IdBatch {
  /** B · T ids, sequence by sequence */
  ids: Int32Array;
  /** number of sequences B */
  batch: number;
  /** positions per sequence T */
  length: number;
}

/** Options of {@link Decoder.inferencePass}. */
interface InferenceOptions {
  /** number of left padding positions of each sequence, cached ones included; default: none */
  padding?: number[];
  /** keys and values of the preceding positions, one cache per layer; may be overwritten */
  past?: KeyValueCache[];
  /** final number of positions in the cache, so that it is allocated once; default: as many as are filled */
  capacity?: number;
  /** number of last positions of each sequence to return; default: all */
  tail?: number;
}

const EMBEDDING = "model.embed_tokens.weight";
const FINAL_NORM = "model.norm.weight";
const HEAD = "lm_head.weight";

/**
 * A LLaMA-architecture decoder: RMSNorm, rotary embeddings, grouped-query attention, SwiGLU. Shapes: N rows of tokens,
 * B sequences, T positions per sequence, H hidden size, V vocabulary size.
 */
export class Decoder {
  /** parameters by their Hugging Face names, float32 */
  readonly parameters = new Map<string, Tensor>();
  private readonly rotary: RotaryTable;
  private readonly epsilon: Tensor;

  /**
   * @param parameters all that `parameterShapes(config)` names, in these shapes; copied
   * @param source directory that the model was loaded from; `save` copies its tokenizer files
   * @param tokenizer default: none, so that the model takes token ids only
   */
  constructor(
    readonly config: ModelConfig,
    parameters: ReadonlyMap<string, HostTensor>,
    readonly source?: string,
    readonly tokenizer?: Tokenizer,
  ) {
    try {
      for (const name of parameterShapes(config).keys()) {
        this.parameters.set(name, ownTensor(parameters.get(name)!));
      }
    } catch (error) {
      tf.dispose([...this.parameters.values()]); // the device's memory did not suffice for all of them
      throw error;
    }
    this.rotary = new RotaryTable(config);
    this.epsilon = tf.keep(tf.scalar(config.normEpsilon));
  }

  /** Name of the output projection's parameter (V, H): that of the embedding if the two are tied. */
  get headName(): string {
    return this.config.tiedHead ? EMBEDDING : HEAD;
  }

  /** SHA-256 of the config and the current parameters. */
  get digest(): string {
    return weightsDigest(this.config, this.parameterValues());
  }

  /** Number of parameters; tied embeddings count once. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Returns the parameters by name; each access to `data` copies the current values. */
  parameterValues(): Map<string, HostTensor> {
    return new Map([...this.parameters].map(([name, tensor]) => [name, hostTensor(tensor)]));
  }

  /**
   * Replaces the tensor of a parameter and disposes the old one, unless both are the same tensor.
   *
   * @param value tensor of the parameter's shape, which the model now owns
   * @throws {ModelError} if there is no parameter of this name and shape
   */
  replaceParameter(name: string, value: Tensor): void {
    const old = this.parameters.get(name);
    if (!old || old.shape.join() !== value.shape.join())
      throw new ModelError(
        `the model has no parameter "${name}" of shape [${value.shape.join(", ")}]` +
          (old ? `; its shape is [${old.shape.join(", ")}].` : "."),
      );
    this.parameters.set(name, tf.keep(value));
    if (old !== value) old.dispose();
  }

  /**
   * Runs the decoder over sequences of token ids and keeps the tensors for the backward pass. Call it within `tf.tidy`.
   *
   * @param sequences token ids of each sequence
   * @returns `hidden`, the hidden states after the last norm, (N, H), in the rows of `layout`; and `backward`, which
   *   computes the gradient of every parameter, by name, from the gradients of `hidden` (N, H) and of the output
   *   projection (V, H). The row that represents the padding must have gradient 0. `backward` may be called once: it
   *   disposes the tensors of the pass, and `dHead` becomes part of the result.
   */
  trainingPass(sequences: readonly (readonly number[])[]): {
    hidden: Tensor;
    layout: PackedLayout;
    /** gradients by parameter name, from dHidden (N, H) and dHead (V, H) */
    backward(dHidden: Tensor, dHead: Tensor): Map<string, Tensor>;
  } {
    const layout = packedLayout(sequences, this.config);
    const { ids, positions } = layout.tensors;
    const context = this.context(layout, layout.positions, positions);
    let x = kernel.gather(this.parameter(EMBEDDING), ids);
    const saved: ReturnType<typeof forwardBlock>["saved"][] = [];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const pass = forwardBlock(x, this.blockParameters(layer), context);
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
        const block = backwardBlock(dx, this.blockParameters(layer), saved[layer], context);
        dx.dispose();
        dx = block.dx;
        for (const [role, gradient] of Object.entries(block.gradients))
          gradients.set(blockParameterName(layer, role as keyof BlockWeights), gradient);
      }
      if (!this.config.tiedHead) gradients.set(HEAD, dHead);
      const initial = this.config.tiedHead ? dHead : kernel.zerosLike(this.parameter(EMBEDDING));
      gradients.set(EMBEDDING, operations.addRows(initial, this.withoutPadding(dx, layout.ids), ids));
      return gradients;
    };
    return { hidden, layout, backward };
  }

  /**
   * Runs the decoder without a gradient.
   *
   * @param input token ids (B, T)
   * @param options with `padding`, sequence i starts with `padding[i]` padding positions. With `past`, the sequences
   *   continue its positions; the returned cache may share its memory, so `past` must not be changed or continued
   *   again. With `tail`, the last layer computes only the last `tail` positions of each sequence.
   * @returns `hidden`, the hidden states after the last norm, (B·T, H) or (B·tail, H), and the `cache` of each layer
   */
  inferencePass(input: IdBatch, options: InferenceOptions = {}): { hidden: Tensor; cache: KeyValueCache[] } {
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
          this.blockParameters(layer),
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

  /** Applies the output projection, without a gradient: hidden states (n, H) → logits (n, V). */
  project(hidden: Tensor): Tensor {
    return inferLinear(hidden, this.parameter(this.headName));
  }

  /**
   * Computes the logits after each token of one sequence.
   *
   * @returns `ids.length` arrays of V float32 values
   * @throws {ModelError} as {@link checkIds}
   */
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

  /**
   * Writes a Hugging Face directory: float32 safetensors, config, and tokenizer files.
   * @param tokenizer default: the files of `source` as they are now
   */
  save(dir: string, tokenizer = this.source === undefined ? undefined : readTokenizerCopy(this.source)): void {
    writeModelDirectory(dir, this.config, this.parameterValues(), tokenizer);
  }

  /** Disposes all tensors; the model cannot be used afterwards. */
  dispose(): void {
    tf.dispose([...this.parameters.values(), this.epsilon]);
    this.rotary.dispose();
    this.parameters.clear();
  }

  /**
   * Checks that the model can process a sequence.
   *
   * @throws {ModelError} if it is empty, longer than the model's context, or has an id outside the vocabulary
   */
  checkIds(ids: readonly number[]): void {
    const { vocabularySize, maxPositions } = this.config;
    if (ids.length === 0)
      throw new ModelError("an empty sequence of tokens has no logits; give at least the beginning-of-sequence token.");
    if (ids.length > maxPositions)
      throw new ModelError(
        `a sequence of ${ids.length} tokens is longer than the model's context of ${maxPositions}; shorten it.`,
      );
    const outside = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
    if (outside !== undefined)
      throw new ModelError(
        `token id ${outside} is outside the model's vocabulary of ${vocabularySize}; ` +
          "check that the tokenizer belongs to this model.",
      );
  }

  /**
   * Returns the tokenizer.
   *
   * @throws {ModelError} if the model has none
   */
  needTokenizer(): Tokenizer {
    if (!this.tokenizer)
      throw new ModelError(`${this.source ?? "this model"} has no tokenizer.json: give token ids instead of text.`);
    return this.tokenizer;
  }

  private parameter(name: string): Tensor {
    return this.parameters.get(name)!;
  }

  private blockParameters(layer: number): BlockWeights {
    const roles = Object.keys(BLOCK_WEIGHT_NAMES) as (keyof BlockWeights)[];
    return Object.fromEntries(
      roles.map((role) => [role, this.parameter(blockParameterName(layer, role))]),
    ) as unknown as BlockWeights;
  }

  private context<Layout>(layout: Layout, positions: Int32Array, index?: Tensor): BlockContext<Layout> {
    const { config, epsilon } = this;
    return { config, layout, epsilon, ...this.rotary.at(positions, index) };
  }

  /** The context of a layout, with the rotations of its positions; padding positions count as position 0. */
  private inferenceContext(shape: InferenceShape): BlockContext<InferenceLayout> {
    const { batch, length, before, padding } = shape;
    const positions = Int32Array.from({ length: batch * length }, (_, i) =>
      Math.max(0, before + (i % length) - (padding?.[Math.floor(i / length)] ?? 0)),
    );
    return this.context(inferenceLayout(shape, this.config), positions);
  }

  /** Sets the pad token's rows of dx (N, H) to 0, as torch.nn.Embedding(padding_idx) does. */
  private withoutPadding(dx: Tensor, ids: Int32Array): Tensor {
    const { paddingIndex } = this.config;
    if (paddingIndex === null || !ids.includes(paddingIndex)) return dx;
    const keep = Float32Array.from(ids, (id) => (id === paddingIndex ? 0 : 1));
    return kernel.mul(dx, tf.tensor2d(keep, [ids.length, 1]));
  }
}

function blockParameterName(layer: number, role: keyof BlockWeights): string {
  return `model.layers.${layer}.${BLOCK_WEIGHT_NAMES[role]}`;
}
