// The normalizers of a tokenizer.json, done so that it stays known what each character was made from.
import { TracedText, type Edit } from "./traced-text";

/** A normalizer of @huggingface/tokenizers, as far as it is read here. */
export interface LibraryNormalizer {
  config: { type: string; content?: string; prepend?: string; strip_left?: boolean; strip_right?: boolean };
  /** normalizers of a Sequence */
  normalizers?: (LibraryNormalizer | null)[];
  /** what a Replace looks for */
  pattern?: RegExp | null;
  normalize(text: string): string;
}

/** A step that makes one text from another. */
export type TextStep = (text: TracedText) => TracedText;

/**
 * The steps of a normalizer, or the name of one that cannot be followed.
 * @param normalizer null: none
 */
export function normalizerSteps(normalizer: LibraryNormalizer | null): TextStep[] | string {
  if (normalizer === null) return [];
  const { config, normalizers, pattern } = normalizer;
  switch (config.type) {
    case "Sequence": {
      const steps = (normalizers ?? []).map(normalizerSteps);
      const unknown = steps.find((step) => typeof step === "string");
      return unknown ?? steps.flatMap((step) => step as TextStep[]);
    }
    case "Prepend":
      return [(text) => prepended(text, config.prepend ?? "")];
    case "Replace":
      return pattern ? [(text) => replaced(text, pattern, config.content ?? "")] : "Replace";
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = config.type;
      return [(text) => composed(text, (piece) => piece.normalize(form))];
    }
    case "Precompiled":
      return [precompiled];
    case "Strip":
      return [
        ...(config.strip_left ? [(text: TracedText) => text.trimStart()] : []),
        ...(config.strip_right ? [(text: TracedText) => text.trimEnd()] : []),
      ];
    case "StripAccents":
      return [withoutMarks];
    case "Lowercase":
      return [lowercased];
    default:
      return config.type;
  }
}

/** Puts a text before another. */
export function prepended(text: TracedText, start: string): TracedText {
  return text.edited([{ start: 0, end: 0, text: start }]);
}

/** Replaces every match of a global pattern. */
export function replaced(text: TracedText, pattern: RegExp, content: string): TracedText {
  const edits: Edit[] = [];
  let isRelabelling = content.length === 1;
  for (const match of text.text.matchAll(pattern)) {
    edits.push({ start: match.index, end: match.index + match[0].length, text: content });
    isRelabelling &&= match[0].length === 1;
  }
  if (edits.length === 0) return text;
  return isRelabelling ? text.relabelled(text.text.replaceAll(pattern, () => content)) : text.edited(edits);
}

/** Removes combining marks, as the library's StripAccents does. */
export const withoutMarks: TextStep = (text) => replaced(text, /\p{M}/gu, "");

/** Writes small letters. A letter may become several, and what it becomes may depend on those beside it. */
export const lowercased: TextStep = (text) => {
  const whole = text.text.toLowerCase();
  if (whole === text.text) return text;
  if (whole.length === text.length) return text.relabelled(whole);
  return text.spelled((codePoint) => String.fromCodePoint(codePoint).toLowerCase());
};

/** Trims a text, and makes each run of white space in it one space, as `remove_space` in tokenizer_config.json says. */
export const spacesRemoved: TextStep = (text) => replaced(text.trimStart().trimEnd(), /\s+/g, " ");

/** What SentencePiece's character maps are in the library. */
const precompiled: TextStep = (text) => {
  const visible = replaced(text, /[\u0001-\u0008\u000B\u000E-\u001F\u007F\u008F\u009F]/g, "");
  const spaced = replaced(
    visible,
    /[\u0009\u000A\u000C\u000D\u00A0\u1680\u2000-\u200F\u2028\u2029\u202F\u205F\u2581\u3000\uFEFF\uFFFD]/g,
    " ",
  );
  return composed(spaced, (piece) =>
    piece
      .split("～")
      .map((part) => part.normalize("NFKC"))
      .join("～"),
  );
};

/**
 * A character with the marks and letter parts that may combine with it: Unicode's normalization forms change no more
 * than one such piece at a time. Hangul is written in parts that are no marks (U+1160 to U+11FF), and so are the voicing
 * marks of half-width Katakana.
 */
const COMPOSED_PIECE = /[^][\p{M}\u1160-\u11FF\uFF9E\uFF9F]*/gu;

/** Applies a normalization form piece by piece. */
function composed(text: TracedText, normalize: (piece: string) => string): TracedText {
  if (normalize(text.text) === text.text) return text;
  const edits: Edit[] = [];
  for (const { 0: piece, index } of text.text.matchAll(COMPOSED_PIECE)) {
    const result = normalize(piece);
    if (result !== piece) edits.push(smallestEdit(piece, result, index));
  }
  return text.edited(edits);
}

/** The edit that makes one text of another, without the characters that stay at the end and at the start. */
function smallestEdit(from: string, to: string, offset: number): Edit {
  const before = Array.from(from);
  const after = Array.from(to);
  const most = Math.min(before.length, after.length);
  let tail = 0;
  while (tail < most && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  let head = 0;
  while (head < most - tail && before[head] === after[head]) head++;
  // an insertion needs a character that it comes from
  if (head + tail === before.length) {
    if (head > 0) head--;
    else tail--;
  }
  const length = (characters: readonly string[]) => characters.join("").length;
  return {
    start: offset + length(before.slice(0, head)),
    end: offset + from.length - length(before.slice(before.length - tail)),
    text: after.slice(head, after.length - tail).join(""),
  };
}
