// No score, text, loss or result is made of a number that is NaN or infinite: the error names model, tensor, task and
// item, for a damaged value in any of the model's tensors.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { EvaluationError, NotFiniteError } from "../../lib/data/errors";
import { evaluate } from "../../lib/evaluate/evaluate";
import { loadModel } from "../../lib/model/causal-lm";
import { parameterShapes } from "../../lib/model/parameters";
import { promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { TINY, temporaryFolder, tinyExamples, tinyModel } from "../runs/world";

const folder = temporaryFolder();
const parameters = [...parameterShapes(TINY).keys()];

/** Loads a model whose tensor `name` holds `value` at its first place. */
function damaged(name: string, value: number) {
  const dir = join(folder, `${name}-${value}`);
  return loadModel(tinyModel(dir, 1, (tensors) => void (tensors.get(name)!.data[0] = value)));
}

for (const value of [NaN, Infinity, -Infinity]) {
  test(`${value} in any tensor is an error wherever its results would count`, async () => {
    for (const name of parameters) {
      const model = damaged(name, value);
      const tensor = `${model.source}: `;
      const names = (error: Error) => error.message.includes(tensor) && error.message.includes(`its tensor "${name}"`);
      const isNotFinite = (error: unknown) => error instanceof NotFiniteError && names(error);
      for (const task of ["pocket-arc", "pocket-wmt-en-fl"]) {
        await assert.rejects(
          evaluate(model, [task], { limit: 3 }),
          (error: Error) => {
            assert.ok(error.message.includes(task) && /item \d+: /.test(error.message), error.message);
            return error instanceof EvaluationError && names(error);
          },
          `${task}: ${name}`,
        );
      }
      for (const temperature of [0, 0.7])
        await assert.rejects(model.generate(["A", "Bell"], { maxNewTokens: 3, temperature }), isNotFinite, name);
      assert.throws(() => model.logLikelihood("A bell", " rings"), isNotFinite, name);
      assert.throws(() => promptWeightedLoss(model, tinyExamples(3, 1), { plw: 0 }), isNotFinite, name);
      model.dispose();
    }
  });
}
