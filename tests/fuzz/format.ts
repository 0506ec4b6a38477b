import type { Draw } from "./draw";
import type { Files } from "./mutate";

/**
 * What an input must give, found without the product's readers: an error, or a value that passes `check`, which returns
 * what is wrong with it. `mayRefuse`: an error is right too.
 */
export type Expected<Value> = { refused: string } | { mayRefuse: boolean; check: (value: Value) => string | undefined };

/** One format of files that the product reads. */
export interface Format<Value = unknown> {
  name: string;
  /** A valid input. */
  valid(draw: Draw): Files;
  /** Changes an input so that its first parse still succeeds; returns what was changed. */
  mutate(draw: Draw, files: Files): string;
  /** Reads the input in a folder as the product does. */
  read(dir: string): Value | Promise<Value>;
  /** What reading must give. `isValid`: the input is as {@link valid} made it. */
  expected(files: Files, isValid: boolean): Expected<Value>;
  /** What names the place in a message, beside the file. */
  place: RegExp;
}

/** An input: its files, and what was done to a valid one. */
export interface Input {
  files: Files;
  what: string;
  isValid: boolean;
}

/** Compares with the text as JSON; returns how they differ. */
export function difference(what: string, got: unknown, wanted: unknown): string | undefined {
  const [a, b] = [got, wanted].map((value) =>
    JSON.stringify(value, (_, inner: unknown) => (inner === undefined ? "undefined" : inner)),
  );
  return a === b ? undefined : `${what} is ${a?.slice(0, 300)}, not ${b?.slice(0, 300)}`;
}

/** A value that is made when it is first needed: the formats' files are written by the product that is tested. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
