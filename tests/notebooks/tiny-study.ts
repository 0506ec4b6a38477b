import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../lib/data/random";
import type { Traits } from "../../lib/model/architecture";
import { parameterShapes } from "../../lib/model/parameters";
import { readTokenizerCopy, writeModelDirectory } from "../../lib/model/directory";
import { QUICK, TINY, tinyExamples, writeJson } from "../runs/world";

const TOKENIZER = join(__dirname, "..", "data", "fixtures", "llama");

/**
 * Writes a study of four runs that train in seconds: one model with random parameters, two datasets, two PLWs.
 * @returns the path of the study file
 */
export function writeTinyStudy(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const examples = tinyExamples(24, 1);
  const long = examples.map((example) => ({
    ...example,
    output: `${example.output} ${example.output} ${example.output}`,
  }));
  return writeJson(join(folder, "study.json"), {
    name: "tiny",
    models: { "tiny-1": tinyModel(join(folder, "tiny-1")) },
    datasets: {
      TinyData: { path: writeJson(join(folder, "tiny.json"), long) },
      TinyDataShort: { from: "TinyData", transform: "invertLongCompletions" },
    },
    plws: [0, 0.1],
    tasks: "pocket",
    hyperparameters: { ...QUICK, maxLength: 250 },
  });
}

/**
 * Writes a study of conversations, with weights of the completion and of parts, two normalizers and held-out rows.
 * @returns the path of the study file
 */
export function writeTinyChat(folder: string): string {
  const study = JSON.parse(readFileSync(writeTinyStudy(folder), "utf8")) as Record<string, unknown>;
  const rows = (count: number, seed: number) =>
    tinyExamples(count, seed).map(({ instruction, input, output }, i) => ({
      messages: [
        ...(i % 3 === 0 ? [{ role: "system", content: "You sell." }] : []),
        { role: "user", content: instruction },
        { role: "assistant", content: output },
        ...(input === ""
          ? []
          : [
              { role: "user", content: input },
              { role: "assistant", content: output },
            ]),
      ],
    }));
  return writeJson(join(folder, "chat.json"), {
    ...study,
    name: "tiny chat",
    datasets: { TinyChat: { path: writeJson(join(folder, "conversations.json"), rows(24, 1)) } },
    heldout: writeJson(join(folder, "heldout-conversations.json"), rows(8, 2)),
    template: "datasets/pocket/chat.jinja",
    plws: [0, 0.1, 1],
    completionWeights: [0.5, 1],
    partWeights: [{}, { template: 0 }],
    normalizers: ["weights", "tokens"],
    hyperparameters: { ...QUICK, maxLength: 250, maxSteps: 6 },
  });
}

/**
 * Writes the study for the second half of 05-causes: {@link writeTinyStudy} with three PLWs, two normalizers, two seeds
 * and held-out rows.
 * @returns the path of the study file
 */
export function writeTinyNormalizers(folder: string): string {
  const study = JSON.parse(readFileSync(writeTinyStudy(folder), "utf8")) as Record<string, unknown>;
  const heldout = writeJson(
    join(folder, "heldout.json"),
    tinyExamples(8, 2).map((example) => ({
      ...example,
      output: `${example.output} ${example.output} ${example.output}`,
    })),
  );
  return writeJson(join(folder, "normalizers.json"), {
    ...study,
    name: "tiny normalizers",
    heldout,
    plws: [0, 0.1, 1],
    normalizers: ["weights", "tokens"],
    seeds: [42, 43],
    hyperparameters: { ...QUICK, maxLength: 250, maxSteps: 6 },
  });
}

/**
 * Writes a study with every factor (models of three families, two data sets, two normalizers, two learning rates and an
 * adapter, two seeds, three PLWs: 216 short runs) and tasks of one's own of every kind.
 * @param judge address of an OpenAI-compatible server
 * @returns the path of the study file
 */
export function writeFactorStudy(folder: string, judge: string): string {
  const study = JSON.parse(readFileSync(writeTinyNormalizers(folder), "utf8")) as Record<string, unknown>;
  const questions = tinyExamples(40, 3).map(({ instruction, output }, i, all) => ({
    instruction,
    output,
    options: [output, all[(i + 1) % all.length].output],
    right: 0,
  }));
  const data = writeJson(join(folder, "questions.json"), questions);
  const families: Record<string, Partial<Traits> | undefined> = {
    "tiny-1": undefined,
    "tiny-2": { family: "qwen3", queryKeyNorm: "heads" },
    "tiny-3": { family: "olmo2", queryKeyNorm: "whole", norms: "after" },
  };
  const models = Object.entries(families).map(([name, traits]) => [name, tinyModel(join(folder, name), name, traits)]);
  return writeJson(join(folder, "factors.json"), {
    ...study,
    name: "factors",
    models: Object.fromEntries(models) as Record<string, string>,
    variants: {
      "lr 0.1": { learningRate: 0.1 },
      "lr 0.01": { learningRate: 0.01 },
      adapter: { learningRate: 0.1, adapter: { rank: 2, alpha: 4 } },
    },
    hyperparameters: { ...QUICK, maxLength: 250, maxSteps: 6 },
    tasks: [
      { name: "my-choices", data, prompt: "{instruction}", choices: "options", answer: "right" },
      { name: "my-answers", data, prompt: "{instruction}", references: "output", maxNewTokens: 12 },
      { name: "my-judged", data, judge: { opponent: "output" }, maxNewTokens: 12 },
    ],
    judge: { url: judge, model: "stand-in" },
  });
}

function tinyModel(dir: string, seed = "tiny model", traits?: Partial<Traits>): string {
  const config = { ...TINY, keyValueHeads: 2, ...(traits && { traits }) };
  const random = seededRandom(seed);
  const parameters = new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [
        name,
        {
          shape,
          data:
            shape.length === 1
              ? new Float32Array(size).fill(1)
              : Float32Array.from({ length: size }, () => 0.2 * (random() - 0.5)),
        },
      ];
    }),
  );
  writeModelDirectory(dir, config, parameters, readTokenizerCopy(TOKENIZER));
  return dir;
}
