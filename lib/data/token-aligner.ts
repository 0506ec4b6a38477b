// Which characters of a text its tokens come from. The steps before the model are done once more so that each character
// is traced to the text; then tokens and text are walked together, and every token and every character must be met.
import type { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { AlignmentError } from "./errors";
import {
  preTokenizerSteps,
  utf8,
  type LibraryPreTokenizer,
  type PieceStep,
  type PreTokenizerSettings,
} from "./pre-tokenizers";
import {
  lowercased,
  normalizerSteps,
  spacesRemoved,
  withoutMarks,
  type LibraryNormalizer,
  type TextStep,
} from "./text-normalizers";
import { TracedText, type Span } from "./traced-text";

/** What this module uses of the library's tokenizer. */
interface Library {
  normalizer: (LibraryNormalizer & ((text: string) => string)) | null;
  pre_tokenizer: LibraryPreTokenizer | null;
  post_processor: ((tokens: string[], pair: null, addSpecial: boolean) => { tokens: string[] }) | null;
  model: {
    config: Record<string, unknown>;
    vocab: (string | undefined)[];
    tokens_to_ids: Map<string, number>;
    unk_token_id?: number;
    unk_token?: string | null;
    fuse_unk: boolean;
  };
  tokenizer: { pre_tokenizer: PreTokenizerSettings | null };
  added_tokens_map: Map<string, { id: number; lstrip: boolean; rstrip: boolean }>;
  splitter_unnormalized: { split(text: string): string[] };
  splitter_normalized: { split(text: string): string[] };
  remove_space?: boolean;
  do_lowercase_and_remove_accent?: boolean;
}

/** Finds the spans of the tokens of a text. */
export type Aligner = (text: string, ids: readonly number[]) => Span[];

/**
 * Makes the aligner of a tokenizer.
 * @returns an aligner that throws {@link AlignmentError}
 */
export function createAligner(tokenizer: HuggingFaceTokenizer): Aligner {
  const library = tokenizer as unknown as Library;
  const sections = sectionsOf(library);
  const affixes = addedAround(library);
  const vocabulary = new Vocabulary(library.model);
  const isAdded = (ids: readonly number[], given: readonly number[], at: number) =>
    given.every((id, i) => ids[at + i] === id);
  return (text, ids) => {
    if (typeof sections === "string") throw new AlignmentError(sections);
    if (typeof affixes === "string") throw new AlignmentError(affixes);
    const parts = sections(text);
    const problems: Problem[] = [];
    for (const [before, after] of affixes) {
      const end = ids.length - after.length;
      if (before.length > end || !isAdded(ids, before, 0) || !isAdded(ids, after, end)) continue;
      const inner = walk(vocabulary, parts, text.length, ids.slice(before.length, end));
      if (Array.isArray(inner)) {
        const emptyAt = (count: number, at: number) => Array.from({ length: count }, (): Span => [at, at]);
        return [...emptyAt(before.length, 0), ...inner, ...emptyAt(after.length, text.length)];
      }
      problems.push(inner);
    }
    const furthest = problems.reduce((best, problem) => (problem.at > best.at ? problem : best));
    throw new AlignmentError(furthest.reason, furthest.at);
  };
}

/**
 * The tokens that the post-processor puts around every text, as ids, and what of them ids may have: both ends, one or
 * none. A reason if it does anything else.
 */
function addedAround({
  post_processor,
  model,
  added_tokens_map,
}: Library): [before: number[], after: number[]][] | string {
  if (post_processor === null) return [[[], []]];
  const marker = "\u0000text";
  const { tokens } = post_processor([marker], null, true);
  const at = tokens.indexOf(marker);
  const isTwice = tokens.lastIndexOf(marker) !== at;
  const ids = (list: string[]) =>
    list.map((token) => added_tokens_map.get(token)?.id ?? model.tokens_to_ids.get(token));
  const [before, after] = [ids(tokens.slice(0, at)), ids(tokens.slice(at + 1))];
  if (at < 0 || isTwice || [...before, ...after].includes(undefined))
    return "the post-processor does more than to add special tokens around a text";
  const orNone = (list: unknown[]) => (list.length > 0 ? [list as number[], []] : [[]]);
  return orNone(before).flatMap((first) => orNone(after).map((last): [number[], number[]] => [first, last]));
}

// ---------------------------------------------------------------- from the text to what the model sees

/** An added token that is written out in a text. */
interface AddedSection {
  id: number;
  span: Span;
}

/** A part of a text: an added token, or text as the model sees it. */
type Section = AddedSection | TracedText;

/** The function that divides a text into sections; a reason if some step cannot be followed. */
function sectionsOf(library: Library): ((text: string) => Section[]) | string {
  const { normalizer, pre_tokenizer, tokenizer, splitter_normalized, splitter_unnormalized } = library;
  const normalize = normalizerSteps(normalizer);
  if (typeof normalize === "string") return `the normalizer ${normalize} cannot be followed`;
  const pieces = preTokenizerSteps(tokenizer.pre_tokenizer, pre_tokenizer);
  if (typeof pieces === "string") return `the pre-tokenizer ${pieces} cannot be followed`;
  const { type, end_of_word_suffix: suffix, continuing_subword_prefix: prefix } = library.model.config;
  if (type !== "BPE" && type !== "Unigram") return `a model of type ${String(type)} cannot be followed`;
  if (suffix || prefix) return "a model that marks the ends or the continuations of words cannot be followed";
  const first: TextStep[] = [];
  if (library.remove_space === true) first.push(spacesRemoved);
  if (library.do_lowercase_and_remove_accent) first.push(lowercased, withoutMarks);
  const normalized = (given: TracedText): TracedText => {
    const text = apply(first, given);
    const result = apply(normalize, text);
    if (normalizer !== null && result.text !== normalizer(text.text))
      throw new AlignmentError("what the normalizer makes of the text cannot be followed", given.span(0, 1)[0]);
    return result;
  };
  return (text) =>
    split(TracedText.of(text), splitter_unnormalized, library)
      .flatMap((section, i) =>
        section instanceof TracedText
          ? split(normalized(section), splitter_normalized, library).map((part) =>
              part instanceof TracedText ? seenByModel(part, pieces, i) : part,
            )
          : section,
      )
      .filter((section) => !(section instanceof TracedText && section.length === 0));
}

const apply = (steps: readonly TextStep[], text: TracedText): TracedText =>
  steps.reduce((made, step) => step(made), text);

function seenByModel(text: TracedText, steps: readonly PieceStep[], section: number): TracedText {
  if (steps.length === 0) return text;
  return TracedText.join(steps.reduce((pieces, step) => pieces.flatMap((piece) => step(piece, section)), [text]));
}

/**
 * Divides a text at the added tokens that are written out in it. White space that such a token strips belongs to it.
 * Empty parts stay, so that the parts keep their numbers.
 */
function split(
  text: TracedText,
  splitter: Library["splitter_normalized"],
  { added_tokens_map: added }: Library,
): Section[] {
  if (text.length === 0) return [];
  let at = 0;
  const parts = splitter.split(text.text).map((part) => {
    at += part.length;
    return { start: at - part.length, end: at, from: at - part.length, to: at };
  });
  const written = (part: { start: number; end: number }) => text.text.slice(part.start, part.end);
  for (const [i, part] of parts.entries()) {
    const token = added.get(written(part));
    if (token === undefined) continue;
    const [previous, next] = [parts[i - 1], parts[i + 1]];
    if (token.lstrip && previous) part.from = previous.end = previous.start + written(previous).trimEnd().length;
    if (token.rstrip && next) part.to = next.start = next.end - written(next).trimStart().length;
  }
  return parts.map((part) => {
    const token = added.get(written(part));
    return token === undefined
      ? text.slice(part.start, part.end)
      : { id: token.id, span: text.span(part.from, part.to) };
  });
}

// ---------------------------------------------------------------- from what the model sees to its tokens

/** What the model's vocabulary says about ids and characters. */
class Vocabulary {
  readonly unknownId?: number;
  readonly fusesUnknown: boolean;
  private readonly bytes = new Map<number, number>();
  private readonly texts: readonly (string | undefined)[];
  private readonly ids: ReadonlyMap<string, number>;

  constructor({ config, vocab, tokens_to_ids, unk_token_id, fuse_unk }: Library["model"]) {
    this.texts = vocab;
    this.ids = tokens_to_ids;
    this.unknownId = unk_token_id ?? undefined;
    this.fusesUnknown = fuse_unk;
    if (config.byte_fallback === true)
      for (let byte = 0; byte < 256; byte++) {
        const id = tokens_to_ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
        if (id !== undefined) this.bytes.set(id, byte);
      }
  }

  /** Number of code units of a token if its text stands at a place, else 0. */
  lengthAt(id: number, { text }: TracedText, at: number): number {
    const token = id === this.unknownId ? undefined : this.texts[id];
    return token !== undefined && text.startsWith(token, at) ? token.length : 0;
  }

  /** Whether the character at a place is no token. */
  isUnknown({ text }: TracedText, at: number): boolean {
    return !this.ids.has(String.fromCodePoint(text.codePointAt(at) as number));
  }

  /** Number of tokens if, from a place among the ids, they are the bytes of the character at a place, else 0. */
  bytesAt(ids: readonly number[], from: number, { text }: TracedText, at: number): number {
    if (!this.bytes.has(ids[from]!)) return 0;
    const bytes = utf8(text.codePointAt(at) as number);
    return bytes.every((byte, i) => this.bytes.get(ids[from + i]!) === byte) ? bytes.length : 0;
  }

  shown(id: number | undefined): string {
    return id === undefined ? "no token" : `the token ${id} ${JSON.stringify(this.texts[id] ?? "")}`;
  }
}

interface Problem {
  reason: string;
  at: number;
}

/** Meets every token and every character; a problem where they differ, or more than one way is possible. */
function walk(
  vocabulary: Vocabulary,
  sections: readonly Section[],
  textLength: number,
  ids: readonly number[],
): Span[] | Problem {
  const spans: Span[] = [];
  for (const [i, section] of sections.entries()) {
    if (section instanceof TracedText) {
      // between two texts there is always an added token
      const problem = walkText(vocabulary, section, ids, spans, (sections[i + 1] as AddedSection | undefined)?.id);
      if (problem) return problem;
    } else {
      const id = ids[spans.length];
      if (id !== section.id)
        return { reason: `${vocabulary.shown(id)} is not that of the text here`, at: section.span[0] };
      spans.push(section.span);
    }
  }
  if (spans.length === ids.length) return spans;
  return { reason: `${vocabulary.shown(ids[spans.length])} comes after the end of the text`, at: textLength };
}

/** Walks one section of text, after which a token `follows`, and appends the spans of its tokens. */
function walkText(
  vocabulary: Vocabulary,
  text: TracedText,
  ids: readonly number[],
  spans: Span[],
  follows: number | undefined,
): Problem | undefined {
  const placeOf = (at: number) => text.span(at, at + 1)[0];
  let at = 0;
  while (at < text.length) {
    const id = ids[spans.length];
    const length = id === undefined ? 0 : vocabulary.lengthAt(id, text, at);
    if (length > 0 && !vocabulary.isUnknown(text, at)) {
      spans.push(text.span(at, at + length));
      at += length;
      continue;
    }
    const steps = unusualSteps(vocabulary, text, at, ids, spans.length, follows);
    if (steps.length === 0) return { reason: `${vocabulary.shown(id)} is not that of the text here`, at: placeOf(at) };
    if (steps.length > 1)
      return { reason: `${vocabulary.shown(id)} may come from shorter or longer text`, at: placeOf(at) };
    const [{ tokens, end }] = steps as [Step];
    for (const [start, stop] of tokens) spans.push(text.span(start, stop));
    at = end;
  }
  return undefined;
}

/** A way to go on: the parts of the text from which the next tokens come, and the place after them. */
interface Step {
  tokens: Span[];
  end: number;
}

/** The ways to go on at a character that is no token of its own, or where the next token is not its text. */
function unusualSteps(
  vocabulary: Vocabulary,
  text: TracedText,
  at: number,
  ids: readonly number[],
  next: number,
  follows: number | undefined,
): Step[] {
  if (!vocabulary.isUnknown(text, at)) return [];
  const steps: Step[] = [];
  const id = ids[next];
  const length = id === undefined ? 0 : vocabulary.lengthAt(id, text, at);
  if (length > 0) steps.push({ tokens: [[at, at + length]], end: at + length });
  const bytes = vocabulary.bytesAt(ids, next, text, at);
  const afterCharacter = at + sizeAt(text, at);
  if (bytes > 0)
    steps.push({ tokens: Array.from({ length: bytes }, (): Span => [at, afterCharacter]), end: afterCharacter });
  if (id === vocabulary.unknownId || vocabulary.unknownId === undefined)
    steps.push(...unknownSteps(vocabulary, text, at, ids, next, follows));
  return steps;
}

const sizeAt = ({ text }: TracedText, at: number): number => ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);

/**
 * The ways in which characters that are no tokens may be covered: each by an unknown token; where the model joins them,
 * as many by one as the token after it leaves; by none if the model has no unknown token, which drops them.
 */
function unknownSteps(
  vocabulary: Vocabulary,
  text: TracedText,
  at: number,
  ids: readonly number[],
  next: number,
  follows: number | undefined,
): Step[] {
  const { unknownId, fusesUnknown } = vocabulary;
  const places = [at];
  for (let end = at; end < text.length && vocabulary.isUnknown(text, end); places.push(end)) end += sizeAt(text, end);
  if (unknownId !== undefined && !fusesUnknown) return [{ tokens: [[at, places[1]!]], end: places[1]! }];
  const count = unknownId === undefined ? 0 : 1;
  const isFollowed = (end: number): boolean => {
    const id = ids[next + count];
    if (end === text.length || id === undefined) return end === text.length && id === follows;
    return vocabulary.lengthAt(id, text, end) > 0 || vocabulary.bytesAt(ids, next + count, text, end) > 0;
  };
  return places
    .slice(1)
    .filter(isFollowed)
    .map((end) => ({ tokens: count === 0 ? [] : [[at, end]], end }));
}
