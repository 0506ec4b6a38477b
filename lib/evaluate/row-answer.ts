// What a row that runs are trained on asks, and its answer: for tasks whose rows are training rows or held-out rows.
import { renderChat, type ChatTemplate, type RenderChatOptions } from "../data/chat-template";
import { conversationFormat, readConversation } from "../data/conversation";
import { DataError } from "../data/errors";
import type { Conversation, Message } from "../data/message";
import { renderPrompt } from "../data/template";
import type { ChatForm } from "./chat-form";
import type { Fields } from "./fields";
import { instructionOf } from "./judge/judge-task";
import type { PromptStyle } from "./task";

/** A row's prompt and answer. */
export interface RowAnswer {
  prompt: string;
  answer: string;
  /** present and true if the prompt went through the chat template already */
  rendered?: true;
}

/**
 * Returns the prompt and the answer of a row. Of a conversation, the answer is what the assistant writes last, with its
 * reasoning and its calls of tools as the chat template writes them, without the end of the turn; the prompt is all that
 * precedes it.
 * @throws {FieldProblem} if the row is neither in Alpaca's format nor a conversation, or a conversation's answer cannot
 *   be told from the rest
 */
export function rowAnswer(row: Fields, { template, chat }: PromptStyle): RowAnswer {
  const values = row.values();
  const format = conversationFormat(values);
  if (format === undefined) {
    const { prompt, completion } = renderPrompt({ ...instructionOf(row), output: row.text("output") }, template);
    return { prompt, answer: completion };
  }
  const problem = (text: string) => row.problem(format === "conversations" ? format : "messages", text);
  if (!chat) {
    throw problem(
      "is a conversation, which needs the chat template; leave out the option chatTemplate: false, or give rows with " +
        "instruction, input and output to a model that was trained on such",
    );
  }
  const read = readConversation(values, format);
  if ("problems" in read) throw row.problem(read.problems[0].field, read.problems[0].problem);
  try {
    const answer = lastAnswer(read.conversation, chat);
    if (typeof answer === "string") throw problem(answer);
    return answer;
  } catch (error) {
    throw error instanceof DataError ? problem(`cannot be rendered: ${error.message}`) : error;
  }
}

/** @returns a problem, as a text, if the answer cannot be told from the rest */
function lastAnswer({ messages, tools }: Conversation, { template, systemPrompt }: ChatForm): RowAnswer | string {
  const last = messages.map(({ role }) => role).lastIndexOf("assistant");
  if (last < 0) return "has no message of the assistant";
  const before: Message[] = messages.slice(0, last);
  if (systemPrompt !== undefined && !before.some(({ role }) => role === "system"))
    before.unshift({ role: "system", content: systemPrompt });
  const options = tools && { tools };
  const written = (message: Message): string => renderChat(template, [...before, message], options);
  const whole = written(messages[last]!);
  const example = written({ role: "assistant", content: EXAMPLE });
  const at = example.lastIndexOf(EXAMPLE);
  const prompt = at < 0 ? undefined : promptOf(whole, example.slice(0, at), template, before, options);
  if (prompt === undefined)
    return "has an answer whose header is not the one that the chat template gives to an answer to be written";
  const end = example.slice(at + EXAMPLE.length);
  if (!whole.endsWith(end)) return "has a last answer that the chat template ends in another way than a text";
  return { prompt, answer: whole.slice(prompt.length, whole.length - end.length), rendered: true };
}

const EXAMPLE = "(answer)";

/**
 * The text before an answer, with its header.
 * @param whole the text that ends with the answer
 * @param plain what the template writes before the content of an answer without reasoning: perhaps the tags of none, or
 *   a header without the tag that opens the reasoning of an answer to be written
 */
function promptOf(
  whole: string,
  plain: string,
  template: ChatTemplate,
  before: readonly Message[],
  options: RenderChatOptions = {},
): string | undefined {
  const asking = renderChat(template, before, { ...options, addGenerationPrompt: true });
  if (whole.startsWith(asking)) return asking;
  const earlier = renderChat(template, before, options);
  if (!asking.startsWith(earlier)) return undefined;
  if (asking.startsWith(plain) && plain.length > earlier.length) return whole.startsWith(plain) ? plain : undefined;
  // a template may write the message before the answer otherwise when it is the last
  const header = asking.slice(earlier.length);
  const at = header === "" ? -1 : plain.lastIndexOf(header);
  const prompt = plain.slice(0, at + header.length);
  return at >= 0 && whole.startsWith(prompt) ? prompt : undefined;
}
