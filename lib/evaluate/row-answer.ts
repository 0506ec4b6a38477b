// What a row that runs are trained on asks, and its answer: for tasks whose rows are training rows or held-out rows.
import { renderChat } from "../data/chat-template";
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
  const prompt = renderChat(template, before, { ...options, addGenerationPrompt: true });
  const written = (message: Message): string | undefined => {
    const text = renderChat(template, [...before, message], options);
    return text.startsWith(prompt) ? text.slice(prompt.length) : undefined;
  };
  const whole = written(messages[last]);
  const example = "(answer)";
  const end = written({ role: "assistant", content: example })?.slice(example.length);
  if (whole === undefined || end === undefined)
    return "has an answer whose header is not the one that the chat template gives to an answer to be written";
  if (!whole.endsWith(end)) return "has a last answer that the chat template ends in another way than a text";
  return { prompt, answer: whole.slice(0, whole.length - end.length), rendered: true };
}
