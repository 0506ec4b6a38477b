// Prompts through a model's chat template, by the rules of lm-evaluation-harness 0.4.13 (`--apply_chat_template`).
import { renderChat } from "../data/chat-template";
import { EvaluationError } from "../data/errors";
import { distinct } from "../data/group";
import type { Message } from "../data/message";
import type { PromptTemplate } from "../data/template";
import type { Tokenizer } from "../data/tokenizer";
import type { ChatOptions } from "./evaluate-options";
import { shotText } from "./few-shot";
import type { TaskSettings } from "./results";
import type { Subject } from "./subject";
import type { ChatForm, SolvedQuestion } from "./task";

export type { ChatForm } from "./task";

/** The prompt template of tasks that ask in the model's own, where the chat template does what it would do. */
export const USER_MESSAGE: PromptTemplate = {
  name: "user's message",
  withInput: "{instruction}\n{input}",
  withoutInput: "{instruction}",
};

/**
 * Completes the options that concern the chat template.
 * @returns undefined if prompts are plain text: `chatTemplate` is false, or absent and the model was not trained on
 * conversations
 * @throws {EvaluationError} if the other options are given without the chat template
 * @throws {PromptlossError} if the model has no chat template
 */
export function chatFormOf(
  options: ChatOptions,
  source: Pick<Subject, "chatTemplate" | "ownChatTemplate">,
): ChatForm | undefined {
  const { chatTemplate = source.chatTemplate !== undefined, fewShotAsTurns = true, systemPrompt } = options;
  if (chatTemplate) {
    const template = source.chatTemplate ?? source.ownChatTemplate();
    return { template, fewShotAsTurns, ...(systemPrompt !== undefined && { systemPrompt }) };
  }
  const given = (["fewShotAsTurns", "systemPrompt"] as const).filter((key) => options[key] !== undefined);
  if (given.length > 0) {
    const absent =
      options.chatTemplate === undefined ? ", which only a run trained on conversations has by default" : "";
    throw new EvaluationError(
      `${given.join(" and ")} need${given.length === 1 ? "s" : ""} the chat template${absent}. ` +
        "Set chatTemplate to true, or leave this out.",
    );
  }
  return undefined;
}

/**
 * The text before a continuation: system message, few-shot examples, question and the header of an answer, rendered.
 * @param prompt the question
 * @throws {DataError} if the template refuses the messages, for example a system message
 */
export function chatContext(form: ChatForm, shots: readonly SolvedQuestion[], prompt: string): string {
  const { template, fewShotAsTurns, systemPrompt } = form;
  const messages: Message[] = [];
  if (systemPrompt !== undefined) messages.push({ role: "system", content: systemPrompt });
  if (fewShotAsTurns)
    for (const { question, answer } of shots)
      messages.push({ role: "user", content: question }, { role: "assistant", content: answer });
  messages.push({ role: "user", content: fewShotAsTurns ? prompt : shotText(shots) + prompt });
  return renderChat(template, messages, { addGenerationPrompt: true });
}

/** A task's version with what the chat template does: "1.0+chat", "1.0+chat.turns", "1.0+chat.turns.system". */
export function versionOf(version: string, shots: number, form: ChatForm | undefined): string {
  if (!form) return version;
  const turns = form.fewShotAsTurns && shots > 0 ? ".turns" : "";
  return `${version}+chat${turns}${form.systemPrompt === undefined ? "" : ".system"}`;
}

/**
 * A line that says which results are of prompts that went through a chat template; none if there are none.
 * @param results of one or several models
 */
export function chatLine(results: readonly Pick<TaskSettings, "template" | "chat">[]): string[] {
  const templates = distinct(results.flatMap(({ template, chat }) => (chat && template !== null ? [template] : [])));
  if (templates.length === 0) return [];
  const count = results.filter(({ chat }) => chat).length;
  return [
    `${count} of ${results.length} results are of prompts through a chat template (${templates.join(", ")}), which is ` +
      "the default for runs trained on conversations; do not compare them with results of plain prompts.",
  ];
}

/**
 * Returns the function that tokenizes a text with a question. As in the harness, a text that begins with the
 * beginning-of-sequence token, as many chat templates write it, gets no second one.
 */
export function promptEncoder(tokenizer: Tokenizer, form: ChatForm | undefined): (text: string) => number[] {
  if (!form) return (text) => tokenizer.encode(text);
  const first = tokenizer.decode([tokenizer.bosId ?? tokenizer.eosId]);
  return (text) => tokenizer.encode(text, { addSpecialTokens: !text.startsWith(first) });
}

/** What ends an assistant's turn. */
export interface EndOfTurn {
  /** ids of special tokens */
  ids: number[];
  /** texts, in a template that ends turns without a special token */
  texts: string[];
}

/**
 * Finds what a template writes after an assistant's answer: the first special token, else the text without white space
 * around it. The harness stops only at the tokenizer's end-of-sequence token and at the model's `eos_token_id`.
 */
export function endOfTurn({ template }: ChatForm, tokenizer: Tokenizer): EndOfTurn {
  const answer = "(answer)";
  const text = renderChat(template, [
    { role: "user", content: "(question)" },
    { role: "assistant", content: answer },
  ]);
  const end = text.slice(text.lastIndexOf(answer) + answer.length).trim();
  const isSpecial = (id: number) => tokenizer.decode([id], { skipSpecialTokens: true }) !== tokenizer.decode([id]);
  const special = tokenizer.encode(end, { addSpecialTokens: false }).find(isSpecial);
  if (special !== undefined) return { ids: [special], texts: [] };
  return { ids: [], texts: end === "" ? [] : [end] };
}
