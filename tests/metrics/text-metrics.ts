import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Converts option names from Python's form (smooth_method) to the library's (smoothMethod). */
export function camelCased(options: Record<string, unknown>): Record<string, unknown> {
  const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [camel(name), value]));
}

/** A corpus with options and the score that sacreBLEU gives for it. */
export interface CorpusCase<Expected> {
  /** number of reference streams, in words */
  streams: "one" | "two" | "three";
  options: Record<string, unknown>;
  /** first segment of `REFERENCE.hypotheses` */
  start: number;
  /** segment after the last one */
  end: number;
  expected: Expected;
}

/** Texts and reference scores, written by make_text_metrics.py. */
export const REFERENCE = JSON.parse(readFileSync(join(__dirname, "text_metrics.json"), "utf8")) as {
  hypotheses: string[];
  streams: (string | null)[][];
  bleu: CorpusCase<{
    score: number;
    counts: number[];
    totals: number[];
    precisions: number[];
    brevityPenalty: number;
    hypothesisLength: number;
    referenceLength: number;
    signature: string;
  }>[];
  chrf: CorpusCase<{ score: number; name: string; signature: string }>[];
  ter: CorpusCase<{ score: number; edits: number; referenceLength: number; signature: string }>[];
  rows: { bleu: Record<"13a" | "intl" | "char" | "zh", number[]>; chrf: number[]; "chrf++": number[]; ter: number[] };
  terHard: { hypothesis: string; reference: string; edits: number }[];
  rougeTypes: ("rouge1" | "rouge2" | "rouge4" | "rougeL" | "rougeLsum")[];
  rouge: { reference: string; prediction: string; scores: [precision: number, recall: number, fmeasure: number][] }[];
};

/** Returns the hypotheses and reference streams of a case. */
export function corpus({ streams, start, end }: CorpusCase<unknown>): [string[], (string | null)[][]] {
  const count = { one: 1, two: 2, three: 3 }[streams];
  return [
    REFERENCE.hypotheses.slice(start, end),
    REFERENCE.streams.slice(0, count).map((lines) => lines.slice(start, end)),
  ];
}

/** Asserts that two numbers differ by at most `tolerance`. */
export function near(actual: number, expected: number, tolerance: number, label: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${label}: ${actual}, expected ${expected}`);
}
