import { isDeepStrictEqual } from "node:util";
import { PythonRandom } from "./python-random";
import type { Question, TaskAbout, Item, SolvedQuestion } from "./task";
import { EvaluationError } from "../data/errors";

/** Seed of the few-shot sampler in the harness's release, and of the only generator in its older commit. */
const SEED = { "0.4.13": 1234, b281b09: 42 };

/**
 * Draws few-shot examples for each item as lm-evaluation-harness does. One generator serves the whole task, item by
 * item, so the first n items do not depend on how many follow. With the rules of commit b281b09, the same generator
 * first shuffles the items.
 *
 * If the pool may contain the evaluated row (`dropsItself`), one extra example is drawn, and the evaluated row or the
 * last example is dropped. If duplicates of the row leave too few examples, the examples are drawn again from the rows
 * that differ from it.
 * @param pool rows that examples are drawn from
 * @param shots examples per item
 * @param limit number of items to evaluate; default: all
 * @returns the items in the order of evaluation, each with its solved examples
 * @throws {EvaluationError} if the pool has too few rows
 */
export function drawShots<Q extends Question>(
  task: TaskAbout,
  items: readonly Item<Q>[],
  pool: readonly Item<Q>[],
  shots: number,
  limit = items.length,
): { item: Item<Q>; shots: SolvedQuestion[] }[] {
  const random = new PythonRandom(SEED[task.harness]);
  const ordered = [...items];
  if (task.harness === "b281b09") random.shuffle(ordered);
  const drawn = checkShots(task, pool.length, shots);
  return ordered
    .slice(0, limit)
    .map((item) => ({ item, shots: shots === 0 ? [] : draw(item).map(({ question }) => question.solved) }));

  function draw(item: Item<Q>): Item<Q>[] {
    const sample = random.sample(pool, drawn);
    if (!task.data.dropsItself) return sample;
    const isOther = (other: Item<Q>) => !isDeepStrictEqual(other.row, item.row);
    const others = sample.filter(isOther);
    // duplicates of the evaluated row were drawn
    if (others.length < shots) {
      const different = pool.filter(isOther);
      if (different.length < shots)
        throw tooFewRows(task, shots, `${shots} other than the asked one`, different.length);
      return random.sample(different, shots);
    }
    return others.slice(0, shots);
  }
}

/**
 * Checks that few-shot examples can be drawn.
 * @param rows number of rows to draw from
 * @returns how many are drawn for each item: one more than `shots` where the item itself may be among them
 * @throws {EvaluationError} if there are too few rows
 */
export function checkShots({ name, data }: TaskAbout, rows: number, shots: number): number {
  const drawn = data.dropsItself ? shots + 1 : shots;
  if (shots > 0 && drawn > rows) throw tooFewRows({ name }, shots, `at least ${drawn}`, rows);
  return drawn;
}

function tooFewRows({ name }: { name: string }, shots: number, needed: string, rows: number): EvaluationError {
  const examples = `${shots} few-shot ${shots === 1 ? "example needs" : "examples need"}`;
  return new EvaluationError(
    `${name}: ${examples} rows to draw from, ${needed}; there are ${rows}. Ask for fewer shots.`,
  );
}

/** Joins few-shot examples to the text that precedes the question. */
export const shotText = (shots: readonly SolvedQuestion[]): string =>
  shots.map(({ question, delimiter, answer }) => `${question}${delimiter}${answer}\n\n`).join("");
