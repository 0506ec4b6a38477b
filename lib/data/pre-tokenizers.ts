// The pre-tokenizers of a tokenizer.json, done so that it stays known what each character was made from.
import { AlignmentError } from "./errors";
import { prepended, replaced } from "./text-normalizers";
import { TracedText } from "./traced-text";

/** A pre-tokenizer of @huggingface/tokenizers, as far as it is read here. */
export interface LibraryPreTokenizer {
  config?: { type?: string; add_prefix_space?: boolean; behavior?: string; invert?: boolean };
  /** pre-tokenizers of a Sequence */
  tokenizers?: (LibraryPreTokenizer | null)[];
  pre_tokenize_text(text: string, options?: object): string[];
}

/** What tokenizer.json says of a pre-tokenizer. */
export interface PreTokenizerSettings {
  type: string;
  pretokenizers?: PreTokenizerSettings[];
  add_prefix_space?: boolean;
  prepend_scheme?: string;
  replacement?: string;
}

/** A step that makes the pieces of a text from a text; `section`: index of the part between added tokens. */
export type PieceStep = (text: TracedText, section: number) => TracedText[];

/**
 * The steps of a pre-tokenizer that change what the model sees, or the name of one that cannot be followed. Those that
 * only divide a text are left out, unless a later one adds a character at the start of each piece.
 *
 * @param settings of tokenizer.json; null: none
 * @param library the library's pre-tokenizer of these settings
 */
export function preTokenizerSteps(
  settings: PreTokenizerSettings | null,
  library: LibraryPreTokenizer | null,
): PieceStep[] | string {
  if (settings === null || library === null) return [];
  const flat = flattened(settings, library);
  const steps: PieceStep[] = [];
  for (const [i, { settings: own, library: ownLibrary }] of flat.entries()) {
    const step = stepOf(
      own,
      ownLibrary,
      flat.slice(i + 1).some((later) => addsCharacters(later.settings)),
    );
    if (typeof step === "string") return step;
    if (step !== undefined) steps.push(step);
  }
  return steps;
}

interface Flat {
  settings: PreTokenizerSettings;
  library: LibraryPreTokenizer;
}

function flattened(settings: PreTokenizerSettings, library: LibraryPreTokenizer): Flat[] {
  if (settings.type !== "Sequence") return [{ settings, library }];
  return (settings.pretokenizers ?? []).flatMap((own, i) => {
    const ownLibrary = library.tokenizers?.[i];
    return ownLibrary ? flattened(own, ownLibrary) : [];
  });
}

const addsCharacters = ({ type, add_prefix_space, prepend_scheme }: PreTokenizerSettings): boolean =>
  (type === "ByteLevel" && add_prefix_space === true) || (type === "Metaspace" && prepend_scheme !== "never");

/** One step; undefined if it only divides, and `matters` is false. */
function stepOf(
  settings: PreTokenizerSettings,
  library: LibraryPreTokenizer,
  matters: boolean,
): PieceStep | string | undefined {
  switch (settings.type) {
    case "ByteLevel":
      return (text) => {
        const isSpaced = settings.add_prefix_space !== true || text.text.startsWith(" ");
        return [bytesOf(isSpaced ? text : prepended(text, " "))];
      };
    case "Metaspace":
      return metaspace(settings);
    case "WhitespaceSplit":
      return words(/\S+/g);
    case "Whitespace":
      return words(/\w+|[^\w\s]+/g);
    case "Split":
    case "Digits":
    case "Punctuation":
    case "FixedLength":
      return matters || mayDropText(library) ? divided(library) : undefined;
    default:
      return settings.type;
  }
}

/** Whether a Split drops what it matches or what it does not match. */
const mayDropText = ({ config }: LibraryPreTokenizer): boolean =>
  config?.behavior === "Removed" || config?.invert === true;

/**
 * Pieces by the library, which must be the whole text: where one that it drops stood cannot be told.
 * @throws {AlignmentError} if they are not
 */
function divided(library: LibraryPreTokenizer): PieceStep {
  return (text) => {
    const pieces = library.pre_tokenize_text(text.text);
    if (pieces.join("") !== text.text) {
      const at = text.length === 0 ? 0 : text.span(0, 1)[0];
      throw new AlignmentError("the pre-tokenizer leaves out text that matches a pattern", at);
    }
    let at = 0;
    return pieces.map((piece) => text.slice(at, (at += piece.length)));
  };
}

/** Pieces that a pattern matches; what is between them reaches no model. */
function words(pattern: RegExp): PieceStep {
  return (text) =>
    Array.from(text.text.matchAll(pattern), ({ 0: word, index }) => text.slice(index, index + word.length));
}

/** "▁" for each space, and one at the start where the settings add it. */
function metaspace({ replacement = "▁", prepend_scheme: scheme = "always" }: PreTokenizerSettings): PieceStep {
  return (text, section) => {
    const spaced = replaced(text, / /g, replacement);
    const isAdded =
      !spaced.text.startsWith(replacement) && (scheme === "always" || (scheme === "first" && section === 0));
    return [isAdded ? prepended(spaced, replacement) : spaced];
  };
}

/** The character that stands for each byte in byte-level vocabularies: printable ones for themselves (GPT-2's map). */
const BYTE_CHARACTERS: readonly string[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + others++));
})();

/** The bytes of a code point in UTF-8; those of U+FFFD for half a surrogate pair. */
export function utf8(codePoint: number): number[] {
  const c = codePoint >= 0xd800 && codePoint <= 0xdfff ? 0xfffd : codePoint;
  const tail = (shift: number) => 0x80 | ((c >> shift) & 0x3f);
  if (c < 0x80) return [c];
  if (c < 0x800) return [0xc0 | (c >> 6), tail(0)];
  if (c < 0x10000) return [0xe0 | (c >> 12), tail(6), tail(0)];
  return [0xf0 | (c >> 18), tail(12), tail(6), tail(0)];
}

/** The text as characters that stand for its bytes. */
function bytesOf(text: TracedText): TracedText {
  return text.spelled((codePoint) =>
    codePoint < 0x80
      ? BYTE_CHARACTERS[codePoint]!
      : utf8(codePoint)
          .map((byte) => BYTE_CHARACTERS[byte])
          .join(""),
  );
}
