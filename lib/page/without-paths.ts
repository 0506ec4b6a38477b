import { basename, isAbsolute } from "node:path";
import { toRoot } from "../runs/paths";

/** An absolute path in a text: at least two names, at the beginning or behind a space, quote or bracket. */
const PATH = /(?<=^|[\s"'`(<=])\/(?:[^\s"'`<>()/:;,]+\/)+[^\s"'`<>()/:;,]*/g;

/** A text without the folders of this machine: paths below the repository become relative, others lose their folders. */
export function withoutPaths(text: string): string {
  return text.replace(PATH, (path) => {
    const [, name, end] = /^(.*?)([.]*)$/.exec(path)!;
    return shownPath(name) + end;
  });
}

/** A path as it may be sent to others: relative to the repository if it lies there, else only its last part. */
export function shownPath(path: string): string {
  const inside = toRoot(path);
  return isAbsolute(inside) ? basename(inside) : inside;
}
