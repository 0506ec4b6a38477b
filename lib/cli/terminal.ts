// What the command line writes. Text of files and models may hold characters that a terminal would obey: they are shown.
import { visibleText } from "../data/visible-text";

/** Writes lines for people to stderr; progress and remarks, which stdout with the answer does not have. */
export function say(text: string): void {
  process.stderr.write(`${visibleText(text)}\n`);
}

/** Writes lines for people to stdout. */
export function answer(text: string): void {
  process.stdout.write(`${visibleText(text)}\n`);
}

/** Writes a value as one line of JSON to stdout. */
export function answerJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value).replace(OBEYED, escaped)}\n`);
}

/** Controls above ASCII and directions of text, which JSON may leave as they are. */
const OBEYED = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
