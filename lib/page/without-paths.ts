import { basename } from "node:path";
import { toRoot } from "../runs/paths";

/** An absolute path in a text: at least two names, at the beginning or behind a space, quote or bracket. */
const PATH = /(?<=^|[\s"'`(<=])(?:[A-Z]:)?[\\/](?:[^\s"'`<>()\\/:;,]+[\\/])+[^\s"'`<>()\\/:;,]*/g;

/** A text without the folders of this machine: paths below the repository become relative, others lose their folders. */
export function withoutPaths(text: string): string {
  return text.replace(PATH, shownPath);
}

/** A path as it may be sent to others: relative to the repository if it lies there, else only its last part. */
export function shownPath(path: string): string {
  const [, end] = /([.]*)$/.exec(path)!;
  const inside = toRoot(path);
  return (inside.startsWith("/") || /^[A-Z]:/.test(inside) ? basename(inside) : inside) + end;
}
