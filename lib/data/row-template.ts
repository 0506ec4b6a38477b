import * as v from "valibot";
import type { ChatTemplate } from "./chat-template";
import { DataError } from "./errors";
import { templateSchema, type PromptTemplate } from "./template";
import { objectOf, text } from "./validate";

/** The template of a data set's rows: Alpaca's prompts, or the chat template of conversations. */
export type RowTemplate = PromptTemplate | ChatTemplate;

/** A chat template as a study names it: without the special tokens, which are those of each model's tokenizer. */
export type NamedChatTemplate = Pick<ChatTemplate, "name" | "jinja">;

/** Whether a template is one of conversations. */
export const isChatTemplate = <T extends NamedChatTemplate>(template: PromptTemplate | T): template is T =>
  (template as Partial<T> | null | undefined)?.jinja !== undefined;

/** Schema of a study's chat template; unknown keys are refused. */
export const namedChatTemplateSchema: v.GenericSchema<unknown, NamedChatTemplate> = objectOf({
  name: text,
  jinja: text,
});

/** Schema of either kind: a chat template has the key `jinja`. */
export const rowTemplateSchema: v.GenericSchema<unknown, PromptTemplate | NamedChatTemplate> = v.lazy((given) =>
  isChatTemplate(given as PromptTemplate | NamedChatTemplate) ? namedChatTemplateSchema : templateSchema,
);

/**
 * Returns a template of rows in Alpaca's format.
 * @param what needs it, for the error
 * @throws {DataError} for a chat template
 */
export function promptTemplateOf(what: string, template: RowTemplate): PromptTemplate {
  if (!isChatTemplate(template)) return template;
  throw new DataError(
    `${what}: the rows are conversations with the chat template ${JSON.stringify(template.name)}; ` +
      "this needs rows with instruction, input and output",
  );
}
