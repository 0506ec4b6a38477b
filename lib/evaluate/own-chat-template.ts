import { existsSync } from "node:fs";
import { join } from "node:path";
import { tokenizerHome } from "../data/adapter-base";
import type { ChatTemplate } from "../data/chat-template";
import { DataError } from "../data/errors";
import { readText } from "../data/read-json";
import { readTokenizerFiles, tokenText } from "../data/tokenizer-files";

const ROLES = ["bos_token", "eos_token", "unk_token", "pad_token"];

/**
 * Loads the chat template of a model's directory: chat_template.jinja, else the text `chat_template` of
 * tokenizer_config.json.
 * @throws {DataError} if there is none
 */
export function ownChatTemplate(dir: string): ChatTemplate {
  const { tokenNames, config } = readTokenizerFiles(dir);
  const file = join(tokenizerHome(dir), "chat_template.jinja");
  const jinja = existsSync(file) ? readText(file) : config.chat_template;
  if (typeof jinja !== "string")
    throw new DataError(
      `${dir}: there is no chat template, neither chat_template.jinja nor a text "chat_template" in ` +
        "tokenizer_config.json. Add one, or evaluate without the chat template.",
    );
  const tokens = ROLES.flatMap((role) => {
    const text = tokenText(tokenNames[role]);
    return text === undefined ? [] : [[role, text] as const];
  });
  return { name: "the model's own", jinja, specialTokens: Object.fromEntries(tokens) };
}
