import { StatisticsError } from "../data/errors";

/**
 * A fixed term, or a term within a random one. A `column` term of a text column is treated as a factor. `raw`
 * distinguishes raw powers (true) from orthogonal polynomials.
 */
export type FixedTerm =
  | { kind: "column"; label: string; column: string }
  | { kind: "factor"; label: string; column: string }
  | { kind: "polynomial"; label: string; column: string; degree: number; raw: boolean };

/** A random term `(1 + x | group)`: coefficients that vary over the group's levels, correlated with each other. */
export interface RandomTerm {
  /** text in the formula, white space normalized */
  label: string;
  intercept: boolean;
  terms: FixedTerm[];
  /** column that names each row's group */
  group: string;
}

/** A smooth term `s(x, k = , bs = )` or `te(a, b, k = )`. */
export interface SmoothTerm {
  /** text in the formula, white space normalized */
  label: string;
  kind: "s" | "te";
  columns: string[];
  /** basis dimension k of each column */
  dimensions: number[];
  /** "tp": thin plate; "cr": cubic regression spline */
  basis: "tp" | "cr";
}

/** A parsed model formula. */
export interface Formula {
  /** the formula as given, trimmed */
  text: string;
  response: string;
  intercept: boolean;
  fixed: FixedTerm[];
  random: RandomTerm[];
  smooths: SmoothTerm[];
}

/**
 * Parses the part of R's formula notation that these models need: `response ~ terms` with `+`, `0` or `1` for the
 * intercept, columns, `factor(x)`, `pol(x, 2)` (raw powers; `raw = FALSE` for orthogonal ones), `poly(x, 2)` (R's:
 * orthogonal; `raw = TRUE` for powers), random terms `(0 + pol(x, 2) | group)`, and smooths `s(x, k = 5, bs = "cr")`
 * and `te(a, b, k = 3)`. Names that are not valid in R are written in backquotes.
 *
 * @throws {StatisticsError} at the first character that does not fit this notation; the message shows its position
 */
export function parseFormula(text: string): Formula {
  return new Parser(text).formula();
}

/** Basis dimensions of smooths without `k`, as in mgcv. */
const DEFAULT_DIMENSION = { s: 10, te: 5 };

/** Recursive-descent parser of a single formula. */
class Parser {
  private readonly tokens: { text: string; at: number }[] = [];
  private position = 0;

  constructor(private readonly source: string) {
    const pattern = /\s*(`[^`]+`|"[^"]*"|'[^']*'|[A-Za-z.][\w.]*|\d+(?:\.\d+)?|[-~+|(),=:*^])|\s+$/gy;
    while (pattern.lastIndex < source.length) {
      const at = pattern.lastIndex;
      const match = pattern.exec(source);
      if (!match) throw this.error(at, "unexpected character");
      if (match[1] !== undefined)
        this.tokens.push({ text: match[1], at: match.index + match[0].length - match[1].length });
    }
  }

  formula(): Formula {
    const response = this.name("the response");
    this.expect("~");
    const formula: Formula = {
      text: this.source.trim(),
      response,
      intercept: true,
      fixed: [],
      random: [],
      smooths: [],
    };
    do {
      if (this.peek() === "(") formula.random.push(this.random());
      else if ((this.peek() === "s" || this.peek() === "te") && this.peek(1) === "(")
        formula.smooths.push(this.smooth());
      else this.constantOrTerm(formula);
    } while (this.separator());
    if (this.position < this.tokens.length) throw this.unexpected("a +, or the end of the formula");
    return formula;
  }

  /** Consumes `+`, or leaves a `-1` that removes the intercept; returns false at the end of a list of terms. */
  private separator(): boolean {
    if (this.peek() === "-" && this.peek(1) === "1") return true;
    return this.accept("+");
  }

  /** Parses an intercept (`0`, `1`, `-1`) or a fixed term, and adds it to `into`. */
  private constantOrTerm(into: { intercept: boolean; fixed: FixedTerm[] }): void {
    if (this.accept("-")) {
      this.expect("1");
      into.intercept = false;
    } else if (this.peek() === "0" || this.peek() === "1") {
      into.intercept = this.next() === "1";
    } else {
      into.fixed.push(this.term());
    }
  }

  private random(): RandomTerm {
    const start = this.position;
    this.expect("(");
    const inner = { intercept: true, fixed: [] as FixedTerm[] };
    do this.constantOrTerm(inner);
    while (this.separator());
    this.expect("|");
    if (this.peek() === "|")
      throw this.unexpected("one bar; uncorrelated coefficients are separate terms, (1 | g) + (0 + x | g)");
    const group = this.name("the grouping column");
    this.expect(")");
    return { label: this.textFrom(start), intercept: inner.intercept, terms: inner.fixed, group };
  }

  private term(): FixedTerm {
    const start = this.position;
    const name = this.name("a term");
    if (!this.accept("(")) return { kind: "column", label: name, column: name };
    const column = this.name("a column");
    if (name === "factor") {
      this.expect(")");
      return { kind: "factor", label: this.textFrom(start), column };
    }
    if (name !== "pol" && name !== "poly") {
      this.position = start;
      throw this.unexpected(
        "one of factor(), pol(), poly(), s() and te(); compute other functions into a column and use its name",
      );
    }
    this.expect(",");
    if (this.peek() === "degree") this.position += 2;
    const degree = this.integer("the degree", 1);
    let raw = name === "pol";
    if (this.accept(",")) {
      this.expect("raw");
      this.expect("=");
      const value = this.next();
      if (!/^(T|F|TRUE|FALSE)$/.test(value))
        throw this.error(this.tokens[this.position - 1]?.at ?? 0, `raw must be TRUE or FALSE, got ${value}`);
      raw = value.startsWith("T");
    }
    this.expect(")");
    return { kind: "polynomial", label: this.textFrom(start), column, degree, raw };
  }

  private smooth(): SmoothTerm {
    const start = this.position;
    const kind = this.next() as "s" | "te";
    this.expect("(");
    const columns: string[] = [];
    let dimensions: number[] | undefined;
    let basis: "tp" | "cr" = kind === "s" ? "tp" : "cr";
    do {
      if (this.peek(1) !== "=") {
        columns.push(this.name("a column"));
      } else if (this.peek() === "k") {
        this.position += 2;
        dimensions = this.dimensions();
      } else if (this.peek() === "bs") {
        this.position += 2;
        const value = this.next().slice(1, -1);
        if (value !== "cr" && (value !== "tp" || kind === "te"))
          throw this.error(
            this.tokens[this.position - 1].at,
            `${kind}() supports only bs = ${kind === "s" ? '"tp" or "cr"' : '"cr"'}`,
          );
        basis = value;
      } else {
        throw this.unexpected("k = or bs =");
      }
    } while (this.accept(","));
    this.expect(")");
    const label = this.textFrom(start);
    if (kind === "s" && columns.length !== 1)
      throw this.error(this.tokens[start].at, "s() smooths one column; use te() for several");
    if (kind === "te" && columns.length < 2)
      throw this.error(this.tokens[start].at, "te() needs at least two columns; use s() for one");
    dimensions ??= [DEFAULT_DIMENSION[kind]];
    if (dimensions.length === 1) dimensions = columns.map(() => dimensions![0]);
    if (dimensions.length !== columns.length)
      throw this.error(
        this.tokens[start].at,
        `${columns.length} columns need a single k or ${columns.length} of them, got ${dimensions.length}`,
      );
    return { label, kind, columns, dimensions, basis };
  }

  private dimensions(): number[] {
    if (!this.accept("c")) return [this.integer("k", 3)];
    this.expect("(");
    const values: number[] = [];
    do values.push(this.integer("k", 3));
    while (this.accept(","));
    this.expect(")");
    return values;
  }

  /** @param role describes the number in an error message */
  private integer(role: string, minimum: number): number {
    const value = Number(this.peek());
    if (!Number.isInteger(value) || value < minimum)
      throw this.unexpected(`${role}, a whole number of at least ${minimum}`);
    this.position++;
    return value;
  }

  /** @param role describes the name in an error message */
  private name(role: string): string {
    const token = this.peek() ?? "";
    if (token.startsWith("`")) return this.next().slice(1, -1);
    if (/^[A-Za-z.]/.test(token)) return this.next();
    throw this.unexpected(role);
  }

  private peek(ahead = 0): string | undefined {
    return this.tokens[this.position + ahead]?.text;
  }

  private next(): string {
    if (this.position >= this.tokens.length) throw this.unexpected("another token");
    return this.tokens[this.position++].text;
  }

  private accept(text: string): boolean {
    if (this.peek() !== text) return false;
    this.position++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) throw this.unexpected(text);
  }

  /** Returns the source text from token `start` to the last token read, white space normalized. */
  private textFrom(start: number): string {
    const last = this.tokens[this.position - 1];
    return this.source.slice(this.tokens[start].at, last.at + last.text.length).replace(/\s+/g, " ");
  }

  private unexpected(expected: string): StatisticsError {
    const token = this.tokens[this.position];
    const hint =
      token && /^[:*^]$/.test(token.text)
        ? `; "${token.text}" between terms is not supported, compute the product into a column and use its name`
        : "";
    return this.error(
      token?.at ?? this.source.length,
      `expected ${expected}, found ${token?.text ?? "the end"}${hint}`,
    );
  }

  /** @param at index of the character at fault */
  private error(at: number, problem: string): StatisticsError {
    return new StatisticsError(`formula, character ${at + 1}: ${problem}\n  ${this.source}\n  ${" ".repeat(at)}^`);
  }
}
