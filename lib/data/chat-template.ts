import { Template } from "@huggingface/jinja";
import { DataError } from "./errors";
import type { Message } from "./message";

/** A chat template: a Jinja text, with the special tokens that it names. */
export interface ChatTemplate {
  name: string;
  /** Jinja, as in `chat_template` of tokenizer_config.json */
  jinja: string;
  /** values of `bos_token`, `eos_token` and other names of special tokens */
  specialTokens: Record<string, string>;
}

/** Options of {@link renderChat}. */
export interface RenderChatOptions {
  /** descriptions of functions, as JSON schema */
  tools?: readonly unknown[];
  /** whether the text ends with the header of an assistant's answer; default false */
  addGenerationPrompt?: boolean;
  /** further variables of the template, such as `enable_thinking` */
  variables?: Record<string, unknown>;
}

/**
 * Renders messages through a chat template, as `apply_chat_template` of Transformers does.
 * @throws {DataError} if the template refuses the messages, or is not valid Jinja
 */
export function renderChat(
  template: ChatTemplate,
  messages: readonly Message[],
  { tools, addGenerationPrompt = false, variables }: RenderChatOptions = {},
): string {
  try {
    return new Template(template.jinja).render({
      ...template.specialTokens,
      ...variables,
      messages,
      ...(tools && { tools }),
      add_generation_prompt: addGenerationPrompt,
    });
  } catch (error) {
    throw new DataError(`chat template ${JSON.stringify(template.name)}: ${(error as Error).message}`);
  }
}
