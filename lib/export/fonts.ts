import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PromptlossError } from "../data/errors";
import { fromRoot } from "../runs/paths";
import { FONT } from "../figures/theme";

/** One font file as a `@font-face` rule. */
interface Face {
  /** the rule, with the file embedded as a data URL */
  css: string;
  /** whether the file has a glyph for a character */
  covers(codePoint: number): boolean;
}

/** Style sheets of @fontsource/open-sans: regular, bold, italic. */
const STYLES = ["400", "700", "400-italic"];
/** Faces by font setting, since reading and encoding the files takes time. */
const faces = new Map<string, Face[]>();

/**
 * Builds `@font-face` rules that embed the files of the theme's font, so that a figure looks the same on every machine.
 * Files without a glyph for any character of `text` are left out.
 *
 * @param text all text that will be set in the font
 * @returns CSS; empty if the theme has no font files, in which case the fonts of the machine are used
 * @throws {PromptlossError} if a font file of the theme does not exist
 */
export function fontCss(text: string): string {
  const codePoints = [...new Set(text)].map((character) => character.codePointAt(0)!);
  return themeFaces()
    .filter(({ covers }) => codePoints.some(covers))
    .map(({ css }) => css)
    .join("\n");
}

function themeFaces(): Face[] {
  const key = JSON.stringify(FONT);
  if (!faces.has(key)) faces.set(key, FONT.files === "package" ? packagedFaces() : customFaces(FONT.files ?? {}));
  return faces.get(key)!;
}

/** Faces of Open Sans from its npm package, whose style sheets give the character range of each file. */
function packagedFaces(): Face[] {
  const folder = dirname(require.resolve("@fontsource/open-sans/package.json"));
  return STYLES.flatMap(
    (style) => readFileSync(join(folder, `${style}.css`), "utf8").match(/@font-face \{[^}]*\}/g) ?? [],
  ).map((rule) => {
    const file = /url\(\.\/(files\/[^)]+\.woff2)\)/.exec(rule)![1];
    const ranges = [...rule.matchAll(/U\+([0-9A-F]+)(?:-([0-9A-F]+))?/gi)].map(([, from, to]) => [
      parseInt(from, 16),
      parseInt(to ?? from, 16),
    ]);
    const data = readFileSync(join(folder, file)).toString("base64");
    const css = rule
      .replace(/^\s*font-display:.*\n/m, "")
      .replace(/src: [^;]*;/, `src: url(data:font/woff2;base64,${data}) format("woff2");`);
    return { css, covers: (codePoint) => ranges.some(([from, to]) => codePoint >= from && codePoint <= to) };
  });
}

/** Faces of font files given by path; they are assumed to have every character. */
function customFaces(files: Partial<Record<"regular" | "bold" | "italic", string>>): Face[] {
  const properties = { regular: "", bold: "font-weight: 700; ", italic: "font-style: italic; " };
  return Object.entries(files).map(([style, path]) => {
    const file = fromRoot(path);
    if (!existsSync(file))
      throw new PromptlossError(
        `useTheme: font file ${file} (font.files.${style}) does not exist. Correct the path, ` +
          "or omit font.files to use the fonts of the machine.",
      );
    const url = `data:font/${file.split(".").pop()};base64,${readFileSync(file).toString("base64")}`;
    const css =
      `@font-face { font-family: "${FONT.family}"; ${properties[style as keyof typeof properties]}` +
      `src: url(${url}); }`;
    return { css, covers: () => true };
  });
}
