import { join } from "node:path";
import { encodeDataset, type EncodedExample } from "../data/encode";
import { readExamples } from "../data/example";
import { lossWeights } from "../data/prompt-loss-weight";
import { loadModel } from "../model/causal-lm";
import { readJsonIfAny, writeFileAtomic } from "../runs/files";
import type { Run } from "../runs/store";
import { gradientParts, type GradientParts } from "../train/prompt-weighted-loss";
import { trainingFile } from "../evaluate/own-rows";
import { subjectOf } from "../evaluate/subject";
import { pause } from "../evaluate/work";
import { Interrupted } from "../data/errors";

/** How much of a run's gradient and of its loss weights belongs to completion tokens, on one batch of its training rows. */
export interface GradientShare {
  run: Run;
  /** ‖completion part‖ / (‖prompt part‖ + ‖completion part‖) of the gradient, at the initial and at the final weights; null where both are 0 */
  atStart: number | null;
  atEnd: number | null;
  /** Σ w over completion tokens / Σ w over all */
  ofWeights: number;
}

interface Stored {
  settings: string;
  start: GradientParts;
  end: GradientParts;
  ofWeights: number;
}

/**
 * The completion tokens' share of the gradient for each complete run, over the first rows of its training data as one batch. Kept
 * in the run's folder, so a second call only reads; an interrupted one continues.
 * @param options.rows in the batch
 * @throws {EvaluationError} for runs whose training rows or models are not what they were
 * @throws {Interrupted} after `signal`
 */
export async function gradientShares(
  runs: readonly Run[],
  { rows = 8, signal }: { rows?: number; signal?: AbortSignal } = {},
): Promise<GradientShare[]> {
  const known: Known = { batches: new Map(), starts: new Map() };
  const shares: GradientShare[] = [];
  for (const run of runs) {
    const file = join(run.dir, "gradient-share.json");
    const settings = JSON.stringify({ format: 1, rows, weights: run.record.weights?.sha256 });
    let stored = readJsonIfAny(file) as Stored | undefined;
    if (stored?.settings !== settings) {
      await pause(signal).catch(() => {
        throw new Interrupted(`Stopped at ${run.name}; the runs before it are done, and the same call continues.`);
      });
      stored = { settings, ...measure(run, rows, known) };
      writeFileAtomic(file, JSON.stringify(stored));
    }
    const share = ({ prompt, completion }: GradientParts) =>
      prompt + completion > 0 ? completion / (prompt + completion) : null;
    shares.push({ run, atStart: share(stored.start), atEnd: share(stored.end), ofWeights: stored.ofWeights });
  }
  return shares;
}

/** What runs share: one data set's batch, and the parts at the initial weights for one model, data set, weight and normalizer. */
interface Known {
  batches: Map<string, EncodedExample[]>;
  starts: Map<string, GradientParts>;
}

function measure(run: Run, rows: number, { batches, starts }: Known): Omit<Stored, "settings"> {
  const { recipe } = run;
  const {
    plw,
    normalizer,
    template,
    truncation,
    hyperparameters: { maxLength },
    model,
    data,
  } = recipe;
  const subject = subjectOf(run);
  try {
    const encoding = JSON.stringify([data.digest, recipe.tokenizer.digest, template, truncation, maxLength]);
    if (!batches.has(encoding)) {
      const examples = readExamples(trainingFile("gradientShares", run)).slice(0, rows);
      batches.set(
        encoding,
        encodeDataset(examples, subject.model().needTokenizer(), { template, truncation, maxLength, name: data.name })
          .examples,
      );
    }
    const batch = batches.get(encoding)!;
    const key = JSON.stringify([model.digest, encoding, plw, normalizer]);
    if (!starts.has(key)) {
      const initial = loadModel(run.initialDir);
      starts.set(key, gradientParts(initial, batch, plw, normalizer));
      initial.dispose();
    }
    const weights = batch
      .map((example) =>
        [...lossWeights(example, plw)].map((w, t) => ({ w, completion: t >= example.promptLength })).slice(1),
      )
      .flat();
    const sum = (some: typeof weights) => some.reduce((total, { w }) => total + w, 0);
    return {
      start: starts.get(key)!,
      end: gradientParts(subject.model(), batch, plw, normalizer),
      ofWeights: sum(weights.filter(({ completion }) => completion)) / sum(weights),
    };
  } finally {
    subject.release();
  }
}
