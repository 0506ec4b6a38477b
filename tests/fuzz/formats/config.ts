import { loadModel } from "../../../lib/model/causal-lm";
import type { ModelConfig } from "../../../lib/model/config";
import { difference, type Expected, type Format } from "../format";
import { mutateJsonFile } from "../mutate";
import { modelFiles } from "./model-files";
import { referenceModel, PLACE_IN_MODEL } from "./model-reference";
import { tensorDifference, type ReferenceTensor } from "./safetensors-reference";

/** A model as it was loaded, and a number computed with it. */
interface Loaded {
  config: ModelConfig;
  tensors: Map<string, { shape: number[]; data: Float32Array }>;
  logLikelihood: number;
}

/** config.json with the weights beside it: the model is loaded and used once. */
export const config: Format<Loaded> = {
  name: "config",
  place: PLACE_IN_MODEL,
  valid: modelFiles,
  mutate: (draw, files) => mutateJsonFile(draw, files, "config.json"),

  read(dir) {
    const model = loadModel(dir);
    try {
      const tensors = new Map(
        [...model.parameters].map(([name, tensor]) => [
          name,
          { shape: tensor.shape, data: tensor.dataSync<"float32">() },
        ]),
      );
      const length = Math.min(4, model.config.maxPositions);
      const { sum } = length < 2 ? { sum: 0 } : model.logLikelihood([1], [2, 3, 4].slice(0, length - 1));
      return { config: model.config, tensors, logLikelihood: sum };
    } finally {
      model.dispose();
    }
  },

  expected(files): Expected<Loaded> {
    const reference = referenceModel(files);
    if ("refused" in reference) return reference;
    const sorted = (object: object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
    return {
      mayRefuse: reference.mayRefuse || mayOverflow(reference.tensors),
      check: (model) =>
        difference("the config", sorted(model.config), sorted(reference.config)) ??
        tensorDifference(model.tensors, reference.tensors) ??
        (Number.isFinite(model.logLikelihood) ? undefined : `the log-likelihood is ${model.logLikelihood}`),
    };
  },
};

/** Whether computing with the tensors may give what is not finite: it is then refused as such. */
function mayOverflow(tensors: ReadonlyMap<string, ReferenceTensor>): boolean {
  const largest = 0x47800000; // 65536 as float32
  return [...tensors.values()].some(({ bits }) => bits.some((word) => (word & 0x7fffffff) >= largest));
}
