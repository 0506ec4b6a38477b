import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PromptlossError } from "../data/errors";
import { fromRoot } from "../runs/paths";
import { FONT } from "../figures/theme";

/** A font file's rules in CSS, with the file in it, for the characters that it has. */
interface Face {
  css: string;
  covers(codePoint: number): boolean;
}

const STYLES = ["400", "700", "400-italic"];
const faces = new Map<string, Face[]>();

/**
 * CSS that brings the theme's font along, as far as `text` needs it: nothing then depends on the machine's fonts. A theme without
 * font files relies on the machine.
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
  if (!faces.has(key)) faces.set(key, FONT.files === "package" ? packagedFaces() : ownFaces(FONT.files ?? {}));
  return faces.get(key)!;
}

/** Open Sans from its npm package, whose style sheets list files by the characters that they have. */
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
    const css = rule
      .replace(/^\s*font-display:.*\n/m, "")
      .replace(
        /src: [^;]*;/,
        `src: url(data:font/woff2;base64,${readFileSync(join(folder, file)).toString("base64")}) format("woff2");`,
      );
    return { css, covers: (codePoint) => ranges.some(([from, to]) => codePoint >= from && codePoint <= to) };
  });
}

function ownFaces(files: Partial<Record<"regular" | "bold" | "italic", string>>): Face[] {
  const properties = { regular: "", bold: "font-weight: 700; ", italic: "font-style: italic; " };
  return Object.entries(files).map(([style, path]) => {
    const file = fromRoot(path);
    if (!existsSync(file))
      throw new PromptlossError(
        `The font file ${file} is not there; name another one in useTheme, or none to take the machine's fonts.`,
      );
    const css = `@font-face { font-family: "${FONT.family}"; ${properties[style as keyof typeof properties]}src: url(data:font/${file.split(".").pop()};base64,${readFileSync(file).toString("base64")}); }`;
    return { css, covers: () => true };
  });
}
