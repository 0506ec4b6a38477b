// From data to weights: fine-tunes a model with a prompt loss weight (PLW), and loads what was trained, in half a minute.
import { dirname, join, resolve } from "node:path";
import { loadModel, readExamples, renderPrompt, train, weightDistance } from "promptloss";

const pocket = join(dirname(require.resolve("promptloss/package.json")), "datasets", "pocket");
const examples = readExamples(join(pocket, "instructions", "plain.json")); // rows of instruction, input and output

async function main(): Promise<void> {
  const run = await train({
    model: join(pocket, "models", "pocket-2"), // a Hugging Face directory
    examples,
    plw: 0.1, // a prompt token counts a tenth of a completion token
    normalizer: "weights", // the loss is Σ w ℓ / Σ w
    hyperparameters: { learningRate: 1e-3, batchSize: 16, microBatchSize: 16, maxLength: 192, maxSteps: 30 },
    store: resolve("runs"), // the same call finds a finished run here, and continues an interrupted one
    onStep: ({ step, loss }, steps) =>
      step % 10 === 0 && console.log(`step ${step} of ${steps}: loss ${loss.toFixed(3)}`),
  });
  console.log(`${run.name}: weights in ${run.weightsDir}`);

  const trained = loadModel(run.weightsDir);
  const { text } = await trained.generate(renderPrompt(examples[0]).prompt, { maxNewTokens: 40 });
  console.log(
    `moved by ${weightDistance(run.initialDir, run.weightsDir).distance.toFixed(3)} (L2); it answers:${text}`,
  );
  trained.dispose();
}

void main();
