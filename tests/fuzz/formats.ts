import type { Format } from "./format";
import { checkpoint } from "./formats/checkpoint";
import { config } from "./formats/config";
import { csv } from "./formats/csv";
import { data } from "./formats/data";
import { journal } from "./formats/journal";
import { safetensors } from "./formats/safetensors";
import { study } from "./formats/study";
import { tokenizer } from "./formats/tokenizer";
import { torchFile } from "./formats/torch-file";

/** Every format that is fuzzed. */
export const FORMATS = [
  safetensors,
  torchFile,
  config,
  tokenizer,
  study,
  data,
  csv,
  checkpoint,
  journal,
] as unknown as Format[];

/** Finds a format by its name. */
export function formatOf(name: string): Format {
  const format = FORMATS.find((one) => one.name === name);
  if (!format) throw new Error(`no format ${name}; there are ${FORMATS.map((one) => one.name).join(", ")}`);
  return format;
}
