import { ModelError } from "../data/errors";
import type { Tokenizer } from "../data/tokenizer";
import { backwardBlock, disposeSaved, forwardBlock, inferBlock, inferTree } from "./block";
import type { ModelConfig } from "./config";
import {
  readTokenizerCopy,
  weightsDigest,
  writeModelDirectory,
  writeTokenizerFiles,
  type TokenizerCopy,
} from "./directory";
import {
  inferenceLayout,
  packedLayout,
  type InferenceLayout,
  type InferenceShape,
  type KeyValueCache,
  type PackedLayout,
} from "./layout";
import { capped, inferLinear, operations } from "./operations";
import {
  blockParameters,
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  inLayer,
  NORMS,
  parameterShapes,
  type BlockParameter,
} from "./parameters";
import { dependsOnLength } from "./rope";
import { RotaryTable, type RotatedRows } from "./rotary";
import type { HostTensor } from "./safetensors";
import { hostTensor, kernel, ownTensor, scalar, tf, type Tensor } from "./tensorflow";
import type { TokenTree } from "./token-tree";
import { treeLayout, type TreeLayout } from "./tree-layout";
import { traitsOf, type LayerRotation, type LayerTraits, type Traits } from "./architecture";
import { initialAdapter, type AdapterSettings } from "./adapter";
import type { BlockContext, BlockRole, BlockWeights } from "./block-context";
import { writeAdapter } from "./adapter-files";
import { Adapter } from "./lora";
import type { DropoutMasks } from "./low-rank";

/** A batch of token ids (B, T): sequences of equal length, padded on the left. */
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

/**
 * A decoder of LLaMA's architecture, or of a family that differs by the traits of its config: RMSNorm, rotary embeddings,
 * grouped-query attention, gated MLP. Shapes: N rows of tokens, B sequences, T positions per sequence, H hidden size, V
 * vocabulary size.
 */
export class Decoder {
  /** parameters by their Hugging Face names, float32 */
  readonly parameters = new Map<string, Tensor>();
  private adapter?: Adapter;
  private readonly traits: Traits;
  /** the parameters of each layer */
  private readonly roles: readonly BlockParameter[];
  /** the rotations of the model's layers */
  private readonly rotary: Map<LayerRotation, RotaryTable>;
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
    this.traits = traitsOf(config);
    this.roles = blockParameters(config);
    this.rotary = rotaryTables(config, this.traits);
    this.epsilon = tf.keep(tf.scalar(config.normEpsilon));
  }

  /** Name of the output projection's parameter (V, H): that of the embedding if the two are tied. */
  get headName(): string {
    return this.config.tiedHead ? EMBEDDING : HEAD;
  }

  /** Whether only an adapter is trained, and the parameters stay as they are. */
  get isFrozen(): boolean {
    return this.adapter !== undefined;
  }

  /** The settings of the adapter, if there is one. */
  get adapterSettings(): AdapterSettings | undefined {
    return this.adapter?.settings;
  }

  /**
   * Freezes the parameters and adds an adapter, which is trained in their place.
   *
   * @param values tensors by PEFT's names; a number: the seed of initial ones, which change nothing yet
   * @throws {ModelError} if the model has no projection of the name of a target, or has an adapter already
   */
  addAdapter(settings: AdapterSettings, values: ReadonlyMap<string, HostTensor> | number): void {
    if (this.adapter) throw new ModelError("the model has an adapter already; save it, and load the merged model.");
    const initial = typeof values === "number" ? initialAdapter(this.config, settings, values) : values;
    this.adapter = new Adapter(this.config, settings, initial);
  }

  /** What training changes: the tensors of the adapter by PEFT's names if there is one, otherwise the parameters. */
  get trainable(): ReadonlyMap<string, Tensor> {
    return this.adapter?.tensors ?? this.parameters;
  }

  /** The values of {@link trainable}; each access to `data` copies the current ones. */
  trainableValues(): Map<string, HostTensor> {
    return new Map([...this.trainable].map(([name, tensor]) => [name, hostTensor(tensor)]));
  }

  /** SHA-256 of the config and the current parameters, with the adapter merged. */
  get digest(): string {
    return weightsDigest(this.config, this.parameterValues());
  }

  /** Number of parameters; tied embeddings count once. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Returns the parameters by name, with the adapter merged; each access to `data` copies the current values. */
  parameterValues(): Map<string, HostTensor> {
    const values = new Map([...this.parameters].map(([name, tensor]) => [name, hostTensor(tensor)]));
    const nameOf = (layer: number, role: BlockRole) => inLayer(layer, this.roles.find((r) => r.role === role)!.name);
    return this.adapter ? this.adapter.merged(values, nameOf) : values;
  }

  /**
   * Replaces the tensor of a parameter or of the adapter and disposes the old one, unless both are the same tensor.
   *
   * @param value tensor of the parameter's shape, which the model now owns
   * @throws {ModelError} if there is no parameter of this name and shape
   */
  replaceParameter(name: string, value: Tensor): void {
    const holder = this.adapter?.tensors.has(name) ? this.adapter.tensors : this.parameters;
    const old = holder.get(name);
    if (!old || old.shape.join() !== value.shape.join())
      throw new ModelError(
        `the model has no parameter "${name}" of shape [${value.shape.join(", ")}]` +
          (old ? `; its shape is [${old.shape.join(", ")}].` : "."),
      );
    holder.set(name, tf.keep(value));
    if (old !== value) old.dispose();
  }

  /**
   * Runs the decoder over sequences of token ids and keeps the tensors for the backward pass. Call it within `tf.tidy`.
   *
   * @param sequences token ids of each sequence
   * @param options with `recompute`, only the input of each layer is kept, and the backward pass computes the layer again;
   *   the results are the same. `dropout` makes the masks of the adapter's inputs for a number of rows; default: nothing is
   *   dropped
   * @returns `hidden`, the hidden states after the last norm, (N, H), in the rows of `layout`; and `backward`, which
   *   computes the gradient of everything {@link trainable}, by name, from the gradients of `hidden` (N, H) and of the
   *   output projection (V, H), which a frozen model does not need. The row that represents the padding must have gradient 0.
   *   `backward` may be called once: it disposes the tensors of the pass, and `dHead` becomes part of the result.
   */
  trainingPass(
    sequences: readonly (readonly number[])[],
    options: { recompute?: boolean; dropout?: (rows: number) => DropoutMasks } = {},
  ): {
    hidden: Tensor;
    layout: PackedLayout;
    /** gradients by name, from dHidden (N, H) and dHead (V, H) */
    backward(dHidden: Tensor, dHead?: Tensor): Map<string, Tensor>;
  } {
    const layout = packedLayout(sequences, this.config);
    const { ids, positions } = layout.tensors;
    const contexts = this.contexts(layout, {
      positions: layout.positions,
      index: positions,
      lengths: () => lengthsOfRows(sequences, layout),
    });
    const masks = this.adapter && options.dropout?.(layout.ids.length);
    let x = this.embedded(ids);
    const forward = (layer: number, input: Tensor) =>
      forwardBlock(input, this.blockWeights(layer, masks), contexts[layer]);
    /** what each layer's gradient needs: of its forward pass, or the pass itself, to be done again */
    const saved: (() => ReturnType<typeof forwardBlock>["saved"])[] = [];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const input = x;
      const pass = forward(layer, input);
      x = pass.y;
      if (!options.recompute) saved.push(() => pass.saved);
      else {
        disposeSaved(pass.saved, input);
        saved.push(() => {
          const again = forward(layer, input);
          again.y.dispose();
          return again.saved;
        });
      }
    }
    const { y: hidden, scale } = operations.rmsNorm(x, this.normWeight(FINAL_NORM), this.epsilon);

    /** The gradient of the last norm's input; that of its weight goes into `gradients` unless the model is frozen. */
    const beforeNorm = (dHidden: Tensor, gradients: Map<string, Tensor>): Tensor => {
      const weight = this.normWeight(FINAL_NORM);
      if (this.isFrozen) return operations.rmsNormInputGradient(dHidden, x, weight, scale);
      const { dx, dWeight } = operations.rmsNormGradient(dHidden, x, weight, scale);
      gradients.set(FINAL_NORM, dWeight);
      return dx;
    };

    const backward = (dHidden: Tensor, dHead?: Tensor): Map<string, Tensor> => {
      const { adapter } = this;
      if (!adapter && !dHead) throw new ModelError("the gradient of the output projection is missing.");
      const gradients = new Map<string, Tensor>();
      let dx: Tensor | undefined = beforeNorm(dHidden, gradients);
      x.dispose();
      for (let layer = this.config.layers - 1; layer >= 0; layer--) {
        const isLowest = adapter !== undefined && layer === 0;
        const block = backwardBlock(dx!, this.blockWeights(layer, masks), saved[layer](), contexts[layer], isLowest);
        dx!.dispose();
        dx = block.dx;
        const { parameters, adapters } = block.gradients;
        if (adapter) adapter.collect(layer, adapters, gradients);
        else for (const { role, name } of this.roles) gradients.set(inLayer(layer, name), parameters[role]!);
      }
      if (adapter) return gradients;
      if (!this.config.tiedHead) gradients.set(HEAD, dHead!);
      const initial = this.config.tiedHead ? dHead! : kernel.zerosLike(this.parameter(EMBEDDING));
      gradients.set(EMBEDDING, operations.addRows(initial, this.embeddedGradient(dx!, layout.ids), ids));
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
      const contexts = this.inferenceContexts({ batch, length, before, padding, capacity });
      const last =
        tail < length
          ? this.inferenceContexts({ batch, length: tail, before: before + length - tail, padding, capacity })
          : contexts;
      let x = this.embedded(tf.tensor1d(input.ids, "int32"));
      const cache: KeyValueCache[] = [];
      for (let layer = 0; layer < this.config.layers; layer++) {
        const pass = inferBlock(
          x,
          this.blockWeights(layer),
          contexts[layer],
          past?.[layer],
          (layer === this.config.layers - 1 ? last : contexts)[layer],
        );
        x.dispose();
        x = pass.y;
        cache.push(pass.cache);
      }
      return { hidden: operations.rmsNorm(x, this.normWeight(FINAL_NORM), this.epsilon).y, cache };
    });
  }

  /**
   * Runs the decoder without a gradient over a tree of sequences.
   *
   * @param wanted number of last tokens of each segment whose hidden states are wanted
   * @returns their hidden states after the last norm (M, H), segment by segment
   */
  treePass(tree: TokenTree, wanted: readonly number[]): Tensor {
    return tf.tidy(() => {
      const contexts = this.treeContexts(tree);
      const last = this.treeContexts(tree, wanted);
      const ids = Int32Array.from(tree.segments.flatMap((segment) => segment.ids));
      let x = this.embedded(tf.tensor1d(ids, "int32"));
      for (let layer = 0; layer < this.config.layers; layer++) {
        const input = x;
        const isLast = layer === this.config.layers - 1;
        x = inferTree(input, this.blockWeights(layer), contexts[layer], (isLast ? last : contexts)[layer]);
        input.dispose();
      }
      return operations.rmsNorm(x, this.normWeight(FINAL_NORM), this.epsilon).y;
    });
  }

  /** Applies the output projection, without a gradient: hidden states (n, H) → logits (n, V). */
  project(hidden: Tensor): Tensor {
    return capped(inferLinear(hidden, this.parameter(this.headName)), this.traits.logitCap);
  }

  /** Whether a sequence of this many tokens rotates its first positions differently from one that is a token shorter. */
  changesRotations(length: number): boolean {
    const { ropeScaling } = this.config;
    return ropeScaling?.type === "longrope" && length === ropeScaling.originalMaxPositions + 1;
  }

  /** Whether what precedes a token cannot be computed before the length of its sequence is known. */
  get dependsOnLength(): boolean {
    return dependsOnLength(this.config.ropeScaling);
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
   * Writes the adapter's directory as PEFT does, with tokenizer files. {@link save} writes the merged model instead.
   *
   * @param base directory of the model as `base_model_name_or_path` says it, and its digest, which loading checks
   * @param tokenizer default: none
   * @throws {ModelError} if the model has no adapter
   */
  saveAdapter(dir: string, base: { path: string; digest: string }, tokenizer?: TokenizerCopy): void {
    if (!this.adapter) throw new ModelError("the model has no adapter; save() writes its parameters.");
    writeAdapter(dir, this.config, this.adapter.settings, this.trainableValues(), base);
    writeTokenizerFiles(dir, tokenizer);
  }

  /**
   * Writes a Hugging Face directory: float32 safetensors, config, and tokenizer files. An adapter is merged.
   * @param tokenizer default: the files of `source` as they are now
   */
  save(dir: string, tokenizer = this.source === undefined ? undefined : readTokenizerCopy(this.source)): void {
    writeModelDirectory(dir, this.config, this.parameterValues(), tokenizer);
  }

  /** Disposes all tensors; the model cannot be used afterwards. */
  dispose(): void {
    tf.dispose([...this.parameters.values(), this.epsilon]);
    this.adapter?.dispose();
    for (const table of this.rotary.values()) table.dispose();
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

  /** A layer's parameters by role, those of norms as they are multiplied, and its adapter. */
  private blockWeights(layer: number, masks?: DropoutMasks): BlockWeights {
    const weights = this.roles.map(({ role, name }) => {
      const full = inLayer(layer, name);
      return [role, isNorm(role) ? this.normWeight(full) : this.parameter(full)];
    });
    const adapter = this.adapter?.ofLayer(layer, masks);
    return { ...(Object.fromEntries(weights) as BlockWeights), ...(adapter && { adapter }) };
  }

  /** The weight of a norm, with the family's offset. */
  private normWeight(name: string): Tensor {
    const weight = this.parameter(name);
    return this.traits.normOffset === 0 ? weight : kernel.add(weight, scalar(this.traits.normOffset));
  }

  /** Embeddings of tokens (N, int32) → (N, H). */
  private embedded(ids: Tensor): Tensor {
    return this.scaled(kernel.gather(this.parameter(EMBEDDING), ids));
  }

  /** The gradient of the embeddings' rows from that of `embedded`. */
  private embeddedGradient(dx: Tensor, ids: Int32Array): Tensor {
    return this.withoutPadding(this.scaled(dx), ids);
  }

  private scaled(x: Tensor): Tensor {
    return this.traits.scaledEmbeddings ? kernel.scale(x, Math.sqrt(this.config.hiddenSize)) : x;
  }

  /** The context of each layer; layers that are alike share one. */
  private contexts<Layout>(layout: Layout, rows: RotatedRows): BlockContext<Layout>[] {
    const { config, epsilon, traits } = this;
    const rotations = new Map([...this.rotary].map(([kind, table]) => [kind, table.at(rows)]));
    const contexts = new Map<string, BlockContext<Layout>>();
    return Array.from({ length: config.layers }, (_, layer) => {
      const { window, rotation } = layerTraits(traits, layer);
      const key = `${window} ${rotation}`;
      const context = contexts.get(key) ?? {
        config,
        layout,
        epsilon,
        pattern: { window, softCap: traits.scoreCap },
        ...rotations.get(rotation)!,
        activation: traits.activation,
        isLlama: config.traits === undefined && !this.adapter,
      };
      contexts.set(key, context);
      return context;
    });
  }

  /** The contexts of a layout, with the rotations of its positions; padding positions count as position 0. */
  private inferenceContexts(shape: InferenceShape): BlockContext<InferenceLayout>[] {
    const { batch, length, before, padding } = shape;
    const paddingOf = (row: number) => padding?.[Math.floor(row / length)] ?? 0;
    const positions = Int32Array.from({ length: batch * length }, (_, row) =>
      Math.max(0, before + (row % length) - paddingOf(row)),
    );
    const lengths = () => positions.map((_, row) => before + length - paddingOf(row));
    return this.contexts(inferenceLayout(shape, this.config), { positions, lengths });
  }

  /** The contexts of a tree's rows; with `queries`, of those that have queries. */
  private treeContexts(tree: TokenTree, queries?: readonly number[]): BlockContext<TreeLayout>[] {
    const layout = treeLayout(tree, this.config, queries);
    return this.contexts(layout, { positions: layout.positions, lengths: () => layout.lengths });
  }

  /** Sets the pad token's rows of dx (N, H) to 0, as torch.nn.Embedding(padding_idx) does. */
  private withoutPadding(dx: Tensor, ids: Int32Array): Tensor {
    const { paddingIndex } = this.config;
    if (paddingIndex === null || !ids.includes(paddingIndex)) return dx;
    const keep = Float32Array.from(ids, (id) => (id === paddingIndex ? 0 : 1));
    return kernel.mul(dx, tf.tensor2d(keep, [ids.length, 1]));
  }
}

const isNorm = (role: BlockRole): boolean => (NORMS as readonly string[]).includes(role);

const layerTraits = (traits: Traits, layer: number): LayerTraits =>
  traits.layers?.[layer] ?? { window: null, rotation: "main" };

/** The tables for the kinds of rotation that the layers have. */
function rotaryTables(config: ModelConfig, traits: Traits): Map<LayerRotation, RotaryTable> {
  const { headSize, ropeBase, ropeScaling, layers } = config;
  const size = traits.rotarySize ?? headSize;
  const scale = traits.attentionScale ?? 1 / Math.sqrt(headSize);
  const kinds = new Set(Array.from({ length: layers }, (_, layer) => layerTraits(traits, layer).rotation));
  const table = (kind: LayerRotation) => {
    if (kind === "none") return new RotaryTable(null, headSize, scale);
    if (kind === "local") return new RotaryTable({ base: traits.localRopeBase!, scaling: null, size }, headSize, scale);
    return new RotaryTable({ base: ropeBase, scaling: ropeScaling, size }, headSize, scale);
  };
  return new Map([...kinds].map((kind) => [kind, table(kind)]));
}

/** Length of the sequence of each row; that of padding counts as 1. */
function lengthsOfRows(sequences: readonly (readonly number[])[], { ids, starts }: PackedLayout): Int32Array {
  const lengths = new Int32Array(ids.length).fill(1);
  sequences.forEach(({ length }, i) => lengths.fill(length, starts[i], starts[i] + length));
  return lengths;
}
