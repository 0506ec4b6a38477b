// How fast this process trains: some micro-batches of a run, and one update, with the model's parameters.
import { promptAndCompletion } from "../data/encode";
import { tokenWeights } from "../data/loss-weighting";
import { quantile } from "../metrics/quantile";
import { loadModel, type CausalLM } from "../model/causal-lm";
import { tf } from "../model/tensorflow";
import { accumulatedPass } from "./loss";
import { AdamW } from "./optimizer";
import { rowCosts, type RowLengths, type TrainingRate, type TrainingWork } from "./training-volume";

/** Share of the time that one pass may take at the most, as far as fewer rows allow. */
const PASS = 0.4;

/** Measures the training of a model for about `seconds`; a single row's pass and an update may take longer. */
export function measureRate(work: TrainingWork, seconds: number): TrainingRate {
  const { modelDir, microBatches, adapter } = work;
  const started = performance.now();
  const elapsed = (since: number) => (performance.now() - since) / 1000;
  const model = loadModel(modelDir);
  const loading = elapsed(started);
  try {
    if (adapter) model.addAdapter(adapter, 0);
    const time = (batches: RowLengths[]) => {
      const from = performance.now();
      pass(model, batches, work);
      return elapsed(from) / operationsOf(model, batches, work);
    };
    const [{ rows, prompts }] = microBatches;
    const short = { rows: [Math.min(64, rows[0])], prompts: [Math.min(32, prompts[0])] };
    time([short]);
    const rough = time([short]);
    const measured = within(microBatches, (batches) => rough * operationsOf(model, batches, work) < PASS * seconds);
    const times: number[] = [];
    do times.push(time(measured));
    while (elapsed(started) < seconds && times.length < 50);
    const perOperation = times.length > 2 ? quantile(times.slice(1), 0.5) : Math.min(...times);
    return { perOperation, perUpdate: updateSeconds(model), loading };
  } finally {
    model.dispose();
  }
}

/** The same micro-batches, or with fewer rows, so that they fit; one row remains. */
function within(batches: RowLengths[], fits: (batches: RowLengths[]) => boolean): RowLengths[] {
  if (fits(batches)) return batches;
  if (batches.length > 1) return within(batches.slice(0, 1), fits);
  const [{ rows, prompts }] = batches;
  if (rows.length === 1) return batches;
  const half = Math.ceil(rows.length / 2);
  return within([{ rows: rows.slice(0, half), prompts: prompts.slice(0, half) }], fits);
}

function pass(model: CausalLM, batches: RowLengths[], { plw, recompute }: TrainingWork): void {
  const { vocabularySize } = model.config;
  const examples = batches.flatMap(({ rows, prompts }) =>
    rows.map((length, row) => {
      const ids = Array.from({ length }, (_, t) => (7 * t + row) % vocabularySize);
      return promptAndCompletion(row, ids, prompts[row]);
    }),
  );
  const coefficients = examples.map((example) =>
    Float32Array.from(tokenWeights(example, { plw }).slice(1), (weight) => weight / example.ids.length),
  );
  let end = 0;
  const indices = batches.map(({ rows }) => rows.map(() => end++));
  tf.tidy(() => {
    const { losses, gradients } = accumulatedPass(model, examples, coefficients, indices, { recompute });
    losses.vectors.forEach((vector) => vector.dataSync());
    tf.dispose(losses.vectors);
    if (gradients) tf.dispose([...gradients.values()]);
  });
}

const operationsOf = (model: CausalLM, batches: RowLengths[], { plw, recompute }: TrainingWork): number =>
  batches
    .flatMap((lengths) => rowCosts(model.config, lengths, plw, { isFrozen: model.isFrozen, recompute }))
    .reduce((sum, cost) => sum + cost, 0);

/** Seconds of an update, with the norm of its gradient; of two, the second, whose memory is there. */
function updateSeconds(model: CausalLM): number {
  const optimizer = new AdamW(model, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 });
  try {
    const update = () => {
      const gradients = optimizer.zeros();
      const started = performance.now();
      optimizer.squaredSums(gradients).dispose();
      optimizer.update(gradients, 1, 0);
      return (performance.now() - started) / 1000;
    };
    update();
    return update();
  } finally {
    optimizer.dispose();
  }
}
