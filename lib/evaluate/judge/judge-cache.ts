import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { EvaluationError } from "../../data/errors";

/** A line of the cache file. */
interface Line extends JudgeAnswer {
  key: string;
  judge: string;
  time: string;
}

const VERDICTS: readonly (Verdict | null)[] = ["first", "second", "tie", null];

/**
 * Paid answers of judges in a JSON Lines file. The file is only appended to, and an answer is on disk before `add`
 * returns. Lines that cannot be parsed are counted and skipped; a process killed while writing leaves one. Without a
 * file, nothing is cached.
 */
export class JudgementCache {
  private readonly answers = new Map<string, JudgeAnswer[]>();
  private readonly file: number | undefined;
  /** number of lines that could not be parsed */
  readonly damagedLines: number = 0;

  /**
   * Reads the file, if it exists, and opens it for appending.
   * @throws {EvaluationError} if the file cannot be opened or written
   */
  constructor(private readonly path?: string) {
    if (path === undefined) return;
    try {
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      for (const content of text.split("\n")) {
        if (content.trim() === "") continue;
        const line = readLine(content);
        if (line) this.remember(line.key, line);
        else this.damagedLines++;
      }
      mkdirSync(dirname(path), { recursive: true });
      this.file = openSync(path, "a");
      // the next line must not be appended to a truncated last line
      if (text !== "" && !text.endsWith("\n")) this.write("\n");
    } catch (error) {
      throw new EvaluationError(
        `${path}: cannot read or open this file for judgements (${(error as Error).message}). Choose another cacheFile.`,
      );
    }
  }

  /** Returns the answers stored under a key, oldest first. */
  get(key: string): readonly JudgeAnswer[] {
    return this.answers.get(key) ?? [];
  }

  /**
   * Stores an answer.
   * @param judge name of the judge, for people who read the file
   * @throws {EvaluationError} if the file cannot be written
   */
  add(key: string, judge: string, answer: JudgeAnswer): void {
    if (this.file === undefined) return;
    const line: Line = { key, judge, time: new Date().toISOString(), ...answer };
    this.write(`${JSON.stringify(line)}\n`);
    fsyncSync(this.file);
    this.remember(key, answer);
  }

  /** Closes the file. */
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
      for (let written = 0; written < bytes.length;) written += writeSync(this.file!, bytes, written);
    } catch (error) {
      throw new EvaluationError(
        `${this.path}: cannot write a judgement (${(error as Error).message}). ` +
          "Earlier judgements are kept; free some space and repeat the call.",
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
  const isCount = (value: unknown) => value === undefined || (Number.isFinite(value) && (value as number) >= 0);
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

/** The better answer by its position, or a tie. */
export type Verdict = "first" | "second" | "tie";

/** One answer of a judge. */
export interface JudgeAnswer {
  /** null: the answer could not be parsed, or the judge refused the question; it is counted and never guessed */
  verdict: Verdict | null;
  /** the text that a judge model wrote */
  text?: string;
  /** why the verdict is null */
  problem?: string;
  /** false: no answer was generated, so the outcome is not cached and asking again is free; default true */
  paid?: boolean;
  promptTokens?: number;
  completionTokens?: number;
}
