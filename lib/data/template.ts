import { DataError } from "./errors";
import type { Example } from "./example";

/** Prompt texts with the placeholders {instruction} and {input}. Other braces stay as they are. */
export interface PromptTemplate {
  name: string;
  /** for rows with a non-empty input */
  withInput: string;
  /** for rows whose input is "" */
  withoutInput: string;
}

/** Stanford Alpaca's two prompts, PROMPT_DICT in tatsu-lab/stanford_alpaca `train.py`. */
export const ALPACA_TEMPLATE: PromptTemplate = {
  name: "alpaca",
  withInput:
    "Below is an instruction that describes a task, paired with an input that provides further context. " +
    "Write a response that appropriately completes the request.\n\n" +
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
  withoutInput:
    "Below is an instruction that describes a task. " +
    "Write a response that appropriately completes the request.\n\n" +
    "### Instruction:\n{instruction}\n\n### Response:",
};

/** @throws DataError when a placeholder is missing, since every prompt would then lose that field unnoticed */
export function checkTemplate(template: PromptTemplate): PromptTemplate {
  for (const [text, placeholder] of [
    ["withInput", "{instruction}"],
    ["withInput", "{input}"],
    ["withoutInput", "{instruction}"],
  ] as const) {
    if (!template[text].includes(placeholder)) {
      throw new DataError(`template "${template.name}": ${text} has no ${placeholder}`);
    }
  }
  return template;
}

/** Prompt and completion of a row as texts; the end-of-sequence token is not yet appended to the completion. */
export function renderPrompt(
  example: Example,
  template: PromptTemplate = ALPACA_TEMPLATE,
): { prompt: string; completion: string } {
  const text = checkTemplate(template)[example.input === "" ? "withoutInput" : "withInput"];
  // one pass with a function: placeholders and $& inside a field's text stay text
  const prompt = text.replace(/\{(instruction|input)\}/g, (_, field: "instruction" | "input") => example[field]);
  return { prompt, completion: example.output };
}
