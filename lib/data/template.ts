import type * as v from "valibot";
import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import { objectOf, rule, shown, text, validated } from "./validate";

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

/** A text that contains each of the placeholders: without one, every prompt would lose that field unnoticed. */
const textWith = (...placeholders: string[]): v.GenericSchema<string> =>
  rule(
    `a text that contains ${placeholders.join(" and ")}`,
    (value) => typeof value === "string" && placeholders.every((placeholder) => value.includes(placeholder)),
  );

/** Schema of a template; unknown keys are refused. */
export const templateSchema: v.GenericSchema<unknown, PromptTemplate> = objectOf({
  name: text,
  withInput: textWith("{instruction}", "{input}"),
  withoutInput: textWith("{instruction}"),
});

/**
 * Checks a template and returns it.
 * @throws {DataError} listing missing placeholders and unknown keys
 */
export function checkTemplate(template: PromptTemplate): PromptTemplate {
  validated(templateSchema, template, `template ${shown(template?.name)}`, DataError);
  return template;
}

/**
 * Prompt and completion of a row as texts; the end-of-sequence token is not yet appended to the completion.
 * @param template default: Stanford Alpaca's two prompts
 * @throws {DataError} for a row without its fields, or a template without its placeholders
 */
export function renderPrompt(
  example: Example,
  template: PromptTemplate = ALPACA_TEMPLATE,
): { prompt: string; completion: string } {
  const [row] = checkExamples([example], "renderPrompt");
  const layout = checkedOnce(template)[row.input === "" ? "withoutInput" : "withInput"];
  // One pass with a function, so that placeholders and "$&" inside a field's text stay text.
  const prompt = layout.replace(/\{(instruction|input)\}/g, (_, field: "instruction" | "input") => row[field]);
  return { prompt, completion: row.output };
}

/** Templates that were checked before: rendering a data set checks its template once. */
const checked = new WeakSet<PromptTemplate>();

function checkedOnce(template: PromptTemplate): PromptTemplate {
  if (!checked.has(template)) checked.add(checkTemplate(template));
  return template;
}
