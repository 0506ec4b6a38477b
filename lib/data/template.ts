import type * as v from "valibot";
import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import type { Span } from "./traced-text";
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

/** A row in Alpaca's format as texts. */
export interface RenderedRow {
  prompt: string;
  /** the output; the end-of-sequence token is not yet appended */
  completion: string;
  /** the row's fields in the prompt, in order: for each, its half-open range of UTF-16 code units */
  fields: { name: "instruction" | "input"; span: Span }[];
}

/**
 * Prompt and completion of a row as texts.
 * @param template default: Stanford Alpaca's two prompts
 * @throws {DataError} for a row without its fields, or a template without its placeholders
 */
export function renderPrompt(example: Example, template: PromptTemplate = ALPACA_TEMPLATE): RenderedRow {
  const [row] = checkExamples([example], "renderPrompt");
  const layout = checkedOnce(template)[row.input === "" ? "withoutInput" : "withInput"];
  const fields: RenderedRow["fields"] = [];
  let shift = 0;
  // One pass with a function, so that placeholders and "$&" inside a field's text stay text.
  const prompt = layout.replace(
    /\{(instruction|input)\}/g,
    (placeholder, name: "instruction" | "input", at: number) => {
      const text = row[name];
      const start = at + shift;
      fields.push({ name, span: [start, start + text.length] });
      shift += text.length - placeholder.length;
      return text;
    },
  );
  return { prompt, completion: row.output, fields };
}

/** Templates that were checked before: rendering a data set checks its template once. */
const checked = new WeakSet<PromptTemplate>();

function checkedOnce(template: PromptTemplate): PromptTemplate {
  if (!checked.has(template)) checked.add(checkTemplate(template));
  return template;
}
