/** Half-open range of UTF-16 code units of a text. */
export type Span = [start: number, end: number];

/** A text that replaces what stands from `start` to `end`; an insertion if both are the same. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

/**
 * A text that was made from another, the original, and remembers of each UTF-16 code unit which characters of the
 * original it was made from. Code points are never divided: both halves of a surrogate pair come from both.
 *
 * What replaces several characters comes from all of them. What is inserted before a character counts as made from that
 * character, as in the Rust library `tokenizers`.
 */
export class TracedText {
  private constructor(
    readonly text: string,
    /** by code unit: where in the original its characters start, and where they end */
    private readonly starts: Int32Array,
    private readonly ends: Int32Array,
  ) {}

  /** A text that is its own original. */
  static of(text: string): TracedText {
    const starts = new Int32Array(text.length);
    const ends = new Int32Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const isPair = (text.codePointAt(i) as number) > 0xffff;
      starts[i] = i;
      ends[i] = isPair ? i + 2 : i + 1;
      if (isPair) {
        i++;
        starts[i] = i - 1;
        ends[i] = i + 1;
      }
    }
    return new TracedText(text, starts, ends);
  }

  /** The texts of several parts of one original, joined. */
  static join(parts: readonly TracedText[]): TracedText {
    if (parts.length === 1) return parts[0]!;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const starts = new Int32Array(length);
    const ends = new Int32Array(length);
    let at = 0;
    for (const part of parts) {
      starts.set(part.starts, at);
      ends.set(part.ends, at);
      at += part.length;
    }
    return new TracedText(parts.map(({ text }) => text).join(""), starts, ends);
  }

  get length(): number {
    return this.text.length;
  }

  /** The part of the original from which the code units from `start` to `end` come; `end` is above `start`. */
  span(start: number, end: number): Span {
    return [this.starts[start]!, this.ends[end - 1]!];
  }

  slice(start: number, end = this.length): TracedText {
    if (start === 0 && end === this.length) return this;
    return new TracedText(
      this.text.slice(start, end),
      this.starts.subarray(start, end),
      this.ends.subarray(start, end),
    );
  }

  /** Without white space at its start. */
  trimStart(): TracedText {
    return this.slice(this.length - this.text.trimStart().length);
  }

  /** Without white space at its end. */
  trimEnd(): TracedText {
    return this.slice(0, this.text.trimEnd().length);
  }

  /** The same with a text of the same length, each of whose code units replaces one. */
  relabelled(text: string): TracedText {
    return new TracedText(text, this.starts, this.ends);
  }

  /** The text after edits, which are in order and do not overlap. */
  edited(edits: readonly Edit[]): TracedText {
    if (edits.length === 0) return this;
    const length = edits.reduce((sum, { start, end, text }) => sum + text.length - (end - start), this.length);
    const starts = new Int32Array(length);
    const ends = new Int32Array(length);
    let text = "";
    let read = 0;
    const copyTo = (end: number): void => {
      starts.set(this.starts.subarray(read, end), text.length);
      ends.set(this.ends.subarray(read, end), text.length);
      text += this.text.slice(read, end);
      read = end;
    };
    for (const edit of edits) {
      copyTo(edit.start);
      const last = Math.min(Math.max(edit.end - 1, edit.start), this.length - 1);
      const until = text.length + edit.text.length;
      starts.fill(this.starts[Math.min(edit.start, last)] ?? 0, text.length, until);
      ends.fill(this.ends[last] ?? 0, text.length, until);
      text += edit.text;
      read = edit.end;
    }
    copyTo(this.length);
    return new TracedText(text, starts, ends);
  }

  /** The text in which each code point is replaced by the text that a function gives. */
  spelled(spell: (codePoint: number) => string): TracedText {
    const parts: string[] = [];
    const source: number[] = [];
    for (let i = 0; i < this.length;) {
      const codePoint = this.text.codePointAt(i) as number;
      const part = spell(codePoint);
      parts.push(part);
      for (let j = 0; j < part.length; j++) source.push(i);
      i += codePoint > 0xffff ? 2 : 1;
    }
    const starts = new Int32Array(source.length);
    const ends = new Int32Array(source.length);
    for (let j = 0; j < source.length; j++) {
      starts[j] = this.starts[source[j]!]!;
      ends[j] = this.ends[source[j]!]!;
    }
    return new TracedText(parts.join(""), starts, ends);
  }
}
