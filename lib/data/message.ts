/** A call of a function by an assistant, as OpenAI's format has it. */
export interface ToolCall {
  type?: "function";
  id?: string;
  function: { name: string; arguments: Record<string, unknown> | string };
}

/** A message of a conversation, in OpenAI's format, as chat templates take it. */
export interface Message {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** text; "" for an assistant that only calls tools */
  content: string;
  /** an assistant's reasoning, for templates that show it apart from the content */
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  /** id of the call that a tool's result answers, and the tool's name */
  tool_call_id?: string;
  name?: string;
}
