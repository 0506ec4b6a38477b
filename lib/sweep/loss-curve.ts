/** Mean losses over consecutive optimizer steps of one run, unweighted, in nats per token. */
export interface LossPoint {
  /** last step of the mean */
  step: number;
  /** null if no batch of these steps has prompt tokens */
  promptLoss: number | null;
  /** null if no batch of these steps has completion tokens */
  completionLoss: number | null;
}

/** Largest number of points of a curve. */
const MAX_POINTS = 200;

/**
 * A loss curve that grows while its run is trained, and never has more than 200 points: each is the mean over equally
 * many steps, and that number doubles whenever the points have become too many.
 */
export class LossCurve {
  private means: Mean[] = [];
  private width = 1;

  /** Appends the losses of the next step. */
  append({ step, promptLoss, completionLoss }: LossPoint): void {
    let last = this.means.at(-1);
    if (!last || last.steps === this.width) {
      if (this.means.length === MAX_POINTS) this.halve();
      last = { step, steps: 0, prompt: { sum: 0, count: 0 }, completion: { sum: 0, count: 0 } };
      this.means.push(last);
    }
    last.step = step;
    last.steps += 1;
    add(last.prompt, promptLoss);
    add(last.completion, completionLoss);
  }

  /** Returns the points, by rising step; the last one may be the mean of fewer steps than the others. */
  points(): LossPoint[] {
    return this.means.map(({ step, prompt, completion }) => ({
      step,
      promptLoss: meanOf(prompt),
      completionLoss: meanOf(completion),
    }));
  }

  private halve(): void {
    this.width *= 2;
    this.means = this.means.flatMap((mean, i) => (i % 2 === 0 ? [joined(mean, this.means[i + 1])] : []));
  }
}

interface Sum {
  sum: number;
  count: number;
}

interface Mean {
  /** last step */
  step: number;
  /** number of steps */
  steps: number;
  prompt: Sum;
  completion: Sum;
}

function add(sum: Sum, loss: number | null): void {
  if (loss === null) return;
  sum.sum += loss;
  sum.count += 1;
}

const meanOf = ({ sum, count }: Sum): number | null => (count > 0 ? sum / count : null);

function joined(first: Mean, second: Mean): Mean {
  const both = (a: Sum, b: Sum): Sum => ({ sum: a.sum + b.sum, count: a.count + b.count });
  return {
    step: second.step,
    steps: first.steps + second.steps,
    prompt: both(first.prompt, second.prompt),
    completion: both(first.completion, second.completion),
  };
}
