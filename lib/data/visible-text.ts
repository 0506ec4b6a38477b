/**
 * Control and format characters, unassigned and private ones, halves of surrogate pairs, and letters without a shape;
 * neither tab nor line feed. Joiners and variation selectors within emoji are format characters too.
 */
const INVISIBLE = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/gu;

/**
 * Makes the characters of a text visible that a page or a terminal would obey or hide: control characters, of escape
 * sequences for example, become control pictures (␛), and others their code point (⟨U+202E⟩).
 */
export function visibleText(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}
