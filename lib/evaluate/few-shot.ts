import { isDeepStrictEqual } from "node:util";
import { PythonRandom } from "./python-random";
import type { Question, TaskAbout, Item } from "./task";
import { EvaluationError } from "../data/errors";
/** Seed of the harness' few-shot sampler, and of the older commit's only generator. */
const SEED = { "0.4.13": 1234, b281b09: 42 };

/**
 * The items in the order of evaluation, each with the shots that stand before it. One generator serves the whole task,
 * item by item, so the first n items do not depend on how many follow. The older commit shuffles the items with it first.
 */
export function drawShots<Q extends Question>(
  task: TaskAbout,
  items: readonly Item<Q>[],
  pool: readonly Item<Q>[],
  shots: number,
  limit = items.length,
): { item: Item<Q>; shots: string[] }[] {
  const random = new PythonRandom(SEED[task.harness]);
  const ordered = [...items];
  if (task.harness === "b281b09") random.shuffle(ordered);
  const drawn = task.data.dropsItself ? shots + 1 : shots;
  if (shots > 0 && drawn > pool.length) {
    throw new EvaluationError(
      `${task.name}: ${shots} shots need at least ${drawn} rows to draw from; there are ${pool.length}.`,
    );
  }
  return ordered
    .slice(0, limit)
    .map((item) => ({ item, shots: shots === 0 ? [] : draw(item).map(({ question }) => question.solved) }));

  function draw(item: Item<Q>): Item<Q>[] {
    const sample = random.sample(pool, drawn);
    if (!task.data.dropsItself) return sample;
    const isOther = (other: Item<Q>) => !isDeepStrictEqual(other.row, item.row);
    const others = sample.filter(isOther);
    // several copies of the row were drawn
    if (others.length < shots) return random.sample(pool.filter(isOther), shots);
    return others.slice(0, shots);
  }
}

/** The text before the question. */
export const shotText = (shots: readonly string[]): string => shots.map((shot) => `${shot}\n\n`).join("");
