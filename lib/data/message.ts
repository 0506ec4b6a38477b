/** A call of a function by an assistant, as OpenAI's format has it. */
export interface ToolCall {
  type?: "function";
  id?: string;
  function: { name: string; arguments: Record<string, unknown> | string };
}

/** Who wrote a message. */
export const ROLES = ["system", "developer", "user", "assistant", "tool"] as const;
export type Role = (typeof ROLES)[number];

/** A message of a conversation, in OpenAI's format, as chat templates take it. */
export interface Message {
  role: Role;
  /** text; "" for an assistant that only calls tools */
  content: string;
  /** an assistant's reasoning, for templates that show it apart from the content */
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  /** id of the call that a tool's result answers, and the tool's name */
  tool_call_id?: string;
  name?: string;
}

/** What a row says about the learning of one of its messages. */
export interface MessageWeight {
  /** whether the message is learned with weight 1; default: only an assistant's */
  learn?: boolean;
  /** factor of the weights of its tokens, finite and at least 0; default 1 */
  factor?: number;
  /**
   * half-open ranges of UTF-16 code units of the content: if given, only they and the end token are learned; at the
   * borders of tokens as `tokensInRanges` says
   */
  ranges?: [start: number, end: number][];
  /** whether the end token is learned as if nothing were said; default false */
  keepEnd?: boolean;
}

/** A row of chat data. */
export interface Conversation {
  messages: Message[];
  /** descriptions of the functions that the assistant may call, as JSON schema */
  tools?: unknown[];
  /** for each message what the row says about its weight; absent: nothing */
  weights?: (MessageWeight | undefined)[];
  /** factor of the weights of the whole row, finite and at least 0; default 1 */
  rowWeight?: number;
  /** one weight for each token of the rendered row, finite and at least 0: it decides what is learned */
  lossMask?: number[];
}

/** Whether a row has the fields that make it one in Alpaca's format, whatever else it has. */
export const isInAlpacaFormat = (row: object): boolean =>
  ["instruction", "output"].every(
    (field) => Object.hasOwn(row, field) && ((row as Record<string, unknown>)[field] ?? null) !== null,
  );

/** Whether a row of data is a conversation with `messages`, and not one in Alpaca's format that has these beside. */
export function isConversation(row: unknown): row is Conversation {
  return typeof row === "object" && row !== null && Object.hasOwn(row, "messages") && !isInAlpacaFormat(row);
}
