import type { ModelConfig } from "../../lib/model/config";

/** Configuration of a model that trains in milliseconds, with grouped-query attention and an untied output head. */
export const TINY: ModelConfig = {
  vocabularySize: 50,
  hiddenSize: 16,
  intermediateSize: 24,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 4,
  normEpsilon: 1e-5,
  maxPositions: 64,
  ropeBase: 10000,
  ropeScaling: null,
  tiedHead: false,
  paddingIndex: null,
};
