import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { EvaluationError } from "../../data/errors";

/** A line of the cache. */
interface Line extends JudgeAnswer {
  key: string;
  judge: string;
  time: string;
}

const VERDICTS: readonly (Verdict | null)[] = ["first", "second", "tie", null];

/**
 * Paid answers in a file of one JSON object a line, only ever appended to, on disk before `add` returns.
 * Lines that cannot be read, as a kill in the middle of writing leaves, are counted and passed over. Without a file it keeps nothing.
 */
export class JudgementCache {
  private readonly answers = new Map<string, JudgeAnswer[]>();
  private readonly file: number | undefined;
  readonly damagedLines: number = 0;

  constructor(private readonly path?: string) {
    if (path === undefined) return;
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    for (const content of text.split("\n")) {
      if (content.trim() === "") continue;
      const line = readLine(content);
      if (line) this.remember(line.key, line);
      else this.damagedLines++;
    }
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.file = openSync(path, "a");
      // a torn last line must not swallow the next one
      if (text !== "" && !text.endsWith("\n")) this.write("\n");
    } catch (error) {
      throw new EvaluationError(
        `${path}: judgements cannot be kept here (${(error as Error).message}). Choose another cacheFile.`,
      );
    }
  }

  get(key: string): readonly JudgeAnswer[] {
    return this.answers.get(key) ?? [];
  }

  add(key: string, judge: string, answer: JudgeAnswer): void {
    if (this.file === undefined) return;
    const line: Line = { key, judge, time: new Date().toISOString(), ...answer };
    this.write(`${JSON.stringify(line)}\n`);
    fsyncSync(this.file);
    this.remember(key, answer);
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
  }

  private remember(key: string, { verdict, text, problem, promptTokens, completionTokens }: JudgeAnswer): void {
    const known = this.answers.get(key) ?? [];
    known.push({ verdict, text, problem, promptTokens, completionTokens });
    this.answers.set(key, known);
  }

  private write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.file!, bytes, done);
    } catch (error) {
      throw new EvaluationError(
        `${this.path}: a judgement cannot be written (${(error as Error).message}). What stands there already is kept; make room and repeat the call.`,
      );
    }
  }
}

function readLine(content: string): Line | undefined {
  let line: Partial<Line> | null;
  try {
    line = JSON.parse(content) as Partial<Line> | null;
  } catch {
    return undefined;
  }
  const isCount = (value: unknown) => value === undefined || (typeof value === "number" && value >= 0);
  const isText = (value: unknown) => value === undefined || typeof value === "string";
  const valid =
    typeof line === "object" &&
    line !== null &&
    typeof line.key === "string" &&
    VERDICTS.includes(line.verdict as Verdict | null) &&
    isText(line.text) &&
    isText(line.problem) &&
    isCount(line.promptTokens) &&
    isCount(line.completionTokens);
  return valid ? (line as Line) : undefined;
}

export type Verdict = "first" | "second" | "tie";

/** One answer of a judge. */
export interface JudgeAnswer {
  /** null: the answer cannot be read, or the judge refused the question; it is counted and never guessed */
  verdict: Verdict | null;
  /** what the judge wrote, if it writes */
  text?: string;
  /** why there is no verdict */
  problem?: string;
  /** false where no answer was given, so that asking again costs nothing */
  paid?: boolean;
  promptTokens?: number;
  completionTokens?: number;
}
