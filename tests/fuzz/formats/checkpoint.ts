import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StepWriter, readSteps, stepsDigest, type StepRecord } from "../../../lib/runs/steps";
import { readCheckpoint, writeCheckpoint, type Checkpoint } from "../../../lib/train/checkpoint";
import { Draw } from "../draw";
import { difference, once, type Expected, type Format } from "../format";
import { mutateJsonFile, mutateJsonText, type Files } from "../mutate";
import { readReference, tensorDifference, type ReferenceTensor } from "./safetensors-reference";

const STEPS = "steps.jsonl";
const FOLDER = "checkpoint";

/** A run's files after a number of steps, written by the product. */
const written = once(() =>
  [2, 5, 9].map((step) => {
    const dir = mkdtempSync(join(tmpdir(), "promptloss-fuzz-checkpoint-"));
    try {
      const draw = new Draw("checkpoint", step);
      const tensors = new Map(
        ["a", "moments.a", "b"].map((name) => [
          name,
          { shape: [2, 3], data: Float32Array.from({ length: 6 }, () => draw.int(1000) / 7) },
        ]),
      );
      const writer = new StepWriter(join(dir, STEPS), []);
      const records = Array.from({ length: step + 1 }, (_, i) => record(i + 1, draw));
      for (const each of records) writer.append(each);
      writer.close();
      writeCheckpoint(join(dir, FOLDER), { step, tensors }, stepsDigest(records.slice(0, step)));
      const names = readdirSync(join(dir, FOLDER)).map((name) => `${FOLDER}/${name}`);
      const files: Files = new Map([...names, STEPS].map((name) => [name, readFileSync(join(dir, name))]));
      return { step, records, files };
    } finally {
      rmSync(dir, { recursive: true });
    }
  }),
);

function record(step: number, draw: Draw): StepRecord {
  const loss = draw.int(1000) / 300;
  return {
    step,
    loss,
    promptLoss: null,
    completionLoss: loss,
    gradientNorm: 1 / step,
    learningRate: 1e-3,
    tokens: 40 + step,
    paddingTokens: 3,
    seconds: 0.5,
  };
}

/** What a resumed run would start from, with what is said of it. */
interface Read {
  checkpoint: Checkpoint | undefined;
  records: StepRecord[];
  warnings: string[];
}

/** Checkpoints with the records of the steps before them. */
export const checkpoint: Format<Read> = {
  name: "checkpoint",
  place: /checkpoint|step/,

  valid: (draw) => new Map([...draw.pick(written()).files].map(([name, bytes]) => [name, Buffer.from(bytes)])),

  mutate(draw, files) {
    const index = `${FOLDER}/checkpoint.json`;
    if (draw.chance(0.3)) return mutateJsonFile(draw, files, index);
    if (draw.chance(0.4)) {
      const json = JSON.parse(files.get(index)!.toString()) as Record<string, unknown>;
      const step = draw.pick([Number(json.step) - 1, Number(json.step) + 1, -1, 0, 1, 2, 5, 9, 1.5]);
      const other = draw.pick(written()).files;
      const changes = draw.pick<Record<string, unknown>>([
        { step },
        { step, file: `step-${step}.safetensors` },
        { step, digest: (JSON.parse(other.get(index)!.toString()) as { digest: string }).digest },
        { file: draw.pick(["../steps.jsonl", "checkpoint.json", ".", "", "step-1.safetensors", "\0"]) },
      ]);
      files.set(index, Buffer.from(JSON.stringify({ ...json, ...changes })));
      return `checkpoint.json: ${JSON.stringify(changes)}`;
    }
    if (draw.chance(0.5)) {
      const [name, bytes] = draw.pick([...draw.pick(written()).files]);
      const own = name.endsWith(".safetensors") ? [...files.keys()].find((key) => key.endsWith(".safetensors"))! : name;
      files.set(own, Buffer.from(bytes));
      return `${own} of another run`;
    }
    const lines = files.get(STEPS)!.toString().split("\n");
    const i = draw.int(lines.length - 1);
    lines[i] = draw.chance(0.5)
      ? mutateJsonText(draw, lines[i]).text.replaceAll("\n", " ")
      : lines[i].replaceAll(/\d+/g, (digits) => (draw.chance(0.2) ? String(Number(digits) + 1) : digits));
    if (draw.chance(0.2)) lines.splice(i, 1);
    files.set(STEPS, Buffer.from(lines.join("\n")));
    return `${STEPS}: line ${i + 1}`;
  },

  read(dir) {
    const warnings: string[] = [];
    mkdirSync(join(dir, FOLDER), { recursive: true });
    const records = readSteps(join(dir, STEPS));
    const found = readCheckpoint(join(dir, FOLDER), records, (message) => warnings.push(message));
    const tensors = found && new Map([...found.tensors].map(([name, { shape, data }]) => [name, { shape, data }]));
    return { checkpoint: found && { ...found, tensors: tensors! }, records, warnings };
  },

  expected(files, isValid): Expected<Read> {
    return {
      mayRefuse: false,
      check({ checkpoint: found, records, warnings }) {
        if (!found) {
          if (isValid) return "a whole checkpoint is not used";
          const isSaid = warnings.some((text) => text.includes(FOLDER)) || !files.has(`${FOLDER}/checkpoint.json`);
          return isSaid ? undefined : "a checkpoint is not used, and nothing is said";
        }
        const run = written().find(({ step }) => step === found.step);
        if (!run) return `step ${found.step} was never written`;
        const own = [...run.files].find(([name]) => name.endsWith(".safetensors"))![1];
        const { tensors } = readReference(own) as { tensors: Map<string, ReferenceTensor> };
        const used = records.slice(0, found.step);
        return (
          tensorDifference(found.tensors, tensors) ?? difference("records", used, run.records.slice(0, found.step))
        );
      },
    };
  },
};
