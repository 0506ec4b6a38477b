import { visit } from "jsonc-parser";

/**
 * Finds a key that stands twice in one object: JSON.parse keeps the last of them and drops the others.
 * @param text valid JSON, not nested too deeply
 * @returns the path of the key, such as `datasets.mine`; undefined if there is none, or only "//", a comment
 */
export function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let repeated: string | undefined;
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (name, _offset, _length, _line, _character, pathOf) => {
      const keys = open.at(-1)!;
      if (keys.has(name) && name !== "//") repeated ??= [...pathOf(), name].join(".");
      keys.add(name);
    },
  });
  return repeated;
}
