import { aText, checkOptions, checkTokenizer, type OptionSchemas } from "./arguments";
import { segmentsOf, type Segment, type SpecialToken } from "./chat-parts";
import { renderPieces, type RenderedChat } from "./chat-pieces";
import type { ChatTemplate, RenderChatOptions } from "./chat-template";
import { checkConversation } from "./conversation";
import { tokensInRanges } from "./content-ranges";
import { hasDoubled } from "./doubled-tokens";
import { DataError } from "./errors";
import type { Conversation, Message } from "./message";
import type { EncodedTokens } from "./parts";
import { tokenSpans, type Span } from "./token-spans";
import type { Tokenizer } from "./tokenizer";
import { isObject, rule, wholeNumber } from "./validate";

/** Options of {@link encodeConversation}. */
export interface EncodeConversationOptions {
  /** default: the tokenizer's own chat template */
  template?: ChatTemplate;
  /** descriptions of functions, as JSON schema; default: those of the row */
  tools?: readonly unknown[];
  /** further variables of the template, such as `enable_thinking` */
  variables?: Record<string, unknown>;
  /** longer rows are cut on the right; default: none is */
  maxLength?: number;
  /** names the row in an error, "" for none; default "conversation" */
  name?: string;
}

/** A conversation as token ids, with what happened to it. */
export interface EncodedConversation extends EncodedTokens {
  /** number of tokens to be learned that were cut off at `maxLength` */
  lostCompletionTokens: number;
  /** indices of messages whose tokens to be learned were all cut off */
  lostMessages: number[];
  /** indices of messages whose reasoning the template leaves out */
  droppedThinking: number[];
  /** number of tokens that cross the border of two parts */
  merged: number;
  /** whether a beginning- or end-of-sequence token stands twice in succession */
  doubledSpecialTokens: boolean;
}

/** A chat template with its special tokens. */
export const chatTemplateRule = rule<ChatTemplate>(
  "a chat template, as loadChatTemplate returns",
  (value) =>
    isObject(value) &&
    typeof value.jinja === "string" &&
    typeof value.name === "string" &&
    isObject(value.specialTokens) &&
    (value.toolUse === undefined || typeof value.toolUse === "string"),
);

const OPTIONS: OptionSchemas<EncodeConversationOptions> = {
  template: chatTemplateRule,
  tools: rule("a list of functions", Array.isArray),
  variables: rule("an object", isObject),
  maxLength: wholeNumber(2),
  name: aText,
};

/**
 * Encodes a conversation through a chat template, as `apply_chat_template` of Transformers does, and says for each token
 * which part of which message it is of, and whether it is to be learned.
 *
 * To be learned is what the template's generation tags enclose; without tags an assistant's content, reasoning and tool
 * calls, and the token that ends its turn. A token that crosses a border belongs to the assistant if any of its
 * characters does, else to the part of its first. What the row says of its own weights goes before.
 *
 * @throws {DataError} naming the row if it is not a conversation, or its parts cannot be told
 */
export function encodeConversation(
  row: Conversation,
  tokenizer: Tokenizer,
  options: EncodeConversationOptions = {},
): EncodedConversation {
  const { name = "conversation", maxLength = Infinity } = checkOptions("encodeConversation", options, OPTIONS);
  checkTokenizer("encodeConversation", tokenizer);
  const conversation = checkConversation(row, name);
  const template = needChatTemplate("encodeConversation", tokenizer, options.template);
  try {
    return cut(encodeWhole(conversation, tokenizer, template, options), maxLength);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw name === "" ? error : new DataError(`${name}: ${error.message}`, error.problems);
  }
}

/**
 * Returns a chat template, or else the tokenizer's own.
 * @param where names the caller in an error
 * @throws {DataError} if there is neither
 */
export function needChatTemplate(where: string, tokenizer: Tokenizer, template?: ChatTemplate): ChatTemplate {
  const found = template ?? tokenizer.chatTemplate;
  if (found !== undefined) return found;
  throw new DataError(
    `${where}: the tokenizer has no chat template; give one, for example by loadChatTemplate with a file`,
  );
}

function encodeWhole(
  row: Conversation,
  tokenizer: Tokenizer,
  template: ChatTemplate,
  { tools = row.tools, variables }: EncodeConversationOptions,
): EncodedConversation {
  const { messages } = row;
  const rendering: RenderChatOptions = { ...(tools && { tools }), ...(variables && { variables }) };
  const chat = renderPieces(template, messages, rendering);
  const ids = tokenizer.encode(chat.text, { addSpecialTokens: false });
  const spans = tokenSpans(tokenizer, chat.text, ids);
  const segments = segmentsOf(chat, messages, {
    specials: specialTokens(tokenizer, ids, spans),
    bosId: tokenizer.bosId,
    eosId: tokenizer.eosId,
    tailOf: (message) => {
      const { text, pieces } = renderPieces(template, messages.slice(0, message + 1), rendering);
      return text.slice(pieces.at(-1)?.span[1] ?? 0);
    },
  });
  const tokens = assignTokens(ids, spans, segments, chat, messages);
  applyWeights(tokens, spans, chat, row);
  return {
    ...tokens,
    lostCompletionTokens: 0,
    lostMessages: [],
    droppedThinking: chat.droppedThinking,
    doubledSpecialTokens: hasDoubled(ids, tokenizer),
  };
}

function specialTokens(tokenizer: Tokenizer, ids: readonly number[], spans: readonly Span[]): SpecialToken[] {
  return ids.flatMap((id, t) =>
    tokenizer.specialIds?.has(id) || id === tokenizer.eosId ? [{ id, span: spans[t]! }] : [],
  );
}

const isAnswer = ({ part }: Segment): boolean => part === "assistant" || part === "thinking";

function assignTokens(
  ids: number[],
  spans: readonly Span[],
  segments: readonly Segment[],
  { generation }: RenderedChat,
  messages: readonly Message[],
): EncodedTokens & { merged: number } {
  const tokens: EncodedTokens & { merged: number } = { ids, parts: [], messages: [], completion: [], merged: 0 };
  let s = 0;
  for (const [start, end] of spans) {
    while (s > 0 && segments[s]!.span[0] > start) s--; // tokens of one character begin at the same place
    while (s < segments.length - 1 && segments[s]!.span[1] <= start) s++;
    let owner = segments[s]!;
    if (end > owner.span[1]) {
      tokens.merged++;
      for (let next = s; next < segments.length && segments[next]!.span[0] < end; next++) {
        if (isAnswer(owner)) break;
        if (isAnswer(segments[next]!)) owner = segments[next]!;
      }
    }
    tokens.parts.push(owner.part);
    tokens.messages.push(owner.message);
    tokens.completion.push(
      generation
        ? generation.some(([from, to]) => from < end && to > start)
        : isAnswer(owner) || (owner.part === "end" && messages[owner.message]!.role === "assistant"),
    );
  }
  return tokens;
}

// ---------------------------------------------------------------- the row's own weights

function applyWeights(
  tokens: EncodedTokens,
  spans: readonly Span[],
  chat: RenderedChat,
  { messages: given, weights, rowWeight = 1, lossMask }: Conversation,
): void {
  const { ids, parts, messages, completion } = tokens;
  const inRanges = weights?.map(
    (weight, i) => weight?.ranges && tokensInRanges(weight.ranges, i, given[i]!, spans, chat),
  );
  const own = ids.map(() => rowWeight);
  ids.forEach((_, t) => {
    const weight = weights?.[messages[t]!];
    if (weight === undefined || weight === null) return; // a file of JSON has null in the place of undefined
    if (weight.keepEnd && parts[t] === "end") return;
    const { learn, factor = 1, ranges } = weight;
    const learned = ranges ? parts[t] === "end" || inRanges![messages[t]!]!.has(t) : parts[t] !== "template";
    if (learn === false) completion[t] = false;
    else if (ranges || learn === true) completion[t] = learned && (learn === true || completion[t]!);
    if (completion[t]) own[t]! *= factor;
  });
  if (lossMask !== undefined) applyMask(tokens, own, lossMask);
  if (own.some((factor) => factor !== 1)) tokens.ownWeights = own;
}

function applyMask({ ids, completion }: EncodedTokens, own: number[], mask: readonly number[]): void {
  if (mask.length !== ids.length) {
    throw new DataError(
      `loss_mask has ${mask.length} weights, but the row has ${ids.length} tokens; it must have one for each, made with ` +
        "this tokenizer and this template",
    );
  }
  mask.forEach((weight, t) => {
    completion[t] = weight > 0;
    if (weight > 0) own[t]! *= weight;
  });
}

// ---------------------------------------------------------------- truncation

function cut(tokens: EncodedConversation, maxLength: number): EncodedConversation {
  const { ids, parts, messages, completion, ownWeights } = tokens;
  if (ids.length <= maxLength) return tokens;
  const learned = (from: number, to: number) => messages.slice(from, to).filter((_, t) => completion[from + t]);
  const kept = new Set(learned(0, maxLength));
  const lost = learned(maxLength, ids.length);
  return {
    ...tokens,
    ids: ids.slice(0, maxLength),
    parts: parts.slice(0, maxLength),
    messages: messages.slice(0, maxLength),
    completion: completion.slice(0, maxLength),
    ...(ownWeights && { ownWeights: ownWeights.slice(0, maxLength) }),
    lostCompletionTokens: lost.length,
    lostMessages: [...new Set(lost)].filter((message) => !kept.has(message)),
  };
}
