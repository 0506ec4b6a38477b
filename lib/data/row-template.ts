import * as v from "valibot";
import { checkJinja, loadChatTemplate, type ChatTemplate } from "./chat-template";
import { DataError } from "./errors";
import { templateSchema, type PromptTemplate } from "./template";
import { readTokenizerFiles, tokenText } from "./tokenizer-files";
import { objectOf, text } from "./validate";

/** The template of a data set's rows: Alpaca's prompts, or the chat template of conversations. */
export type RowTemplate = PromptTemplate | ChatTemplate;

/** A chat template as a study names it: without the special tokens, which are those of each model's tokenizer. */
export type NamedChatTemplate = Omit<ChatTemplate, "specialTokens">;

/** Whether a template is one of conversations. */
export const isChatTemplate = <T extends NamedChatTemplate>(template: PromptTemplate | T): template is T =>
  (template as Partial<T> | null | undefined)?.jinja !== undefined;

const jinjaText = v.pipe(
  text,
  v.rawCheck(({ dataset, addIssue }) => {
    try {
      if (dataset.typed) checkJinja(dataset.value);
    } catch (error) {
      addIssue({ message: (error as DataError).message });
    }
  }),
);

/** Schema of a study's chat template; unknown keys, and texts that are not valid Jinja, are refused. */
export const namedChatTemplateSchema: v.GenericSchema<unknown, NamedChatTemplate> = objectOf({
  name: text,
  jinja: jinjaText,
  toolUse: v.optional(jinjaText),
  date: v.optional(text),
});

/**
 * Completes a chat template by the special tokens of a tokenizer.
 * @param dir directory of the tokenizer
 * @param named default: the tokenizer's own chat template
 * @throws {DataError} if the tokenizer has none
 */
export function chatTemplateOf(dir: string, named?: NamedChatTemplate): ChatTemplate {
  return named ? { ...named, specialTokens: loadSpecialTokens(dir) } : loadChatTemplate(dir);
}

const TOKEN_NAMES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((role) => `${role}_token`);

/** The texts of a tokenizer's special tokens by their names in templates. */
function loadSpecialTokens(dir: string): Record<string, string> {
  const { tokenNames } = readTokenizerFiles(dir);
  const named = TOKEN_NAMES.map((name) => [name, tokenText(tokenNames[name])] as const);
  return Object.fromEntries(named.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

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
