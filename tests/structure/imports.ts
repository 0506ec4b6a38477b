// Reads the imports of a source tree: arrows against the order of the folders, and files that import each other.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

/**
 * The folders of lib; each imports only from itself and those before it. Files beside them (index.ts, cli.ts) come
 * last.
 */
export const ROOMS = [
  "data",
  "model",
  "metrics",
  "runs",
  "stats",
  "train",
  "workers",
  "evaluate",
  "sweep",
  "analysis",
  "figures",
  "export",
  "page",
  "notebook",
  "cli",
] as const;

/**
 * The files that each TypeScript file below `root` imports, as relative paths; type-only and dynamic imports included.
 */
export function importGraph(root: string): Map<string, string[]> {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const known = new Set(files);
  const graph = new Map<string, string[]>();
  for (const file of files.sort()) {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), "utf8"), true, true);
    const targets = importedFiles
      .filter(({ fileName }) => fileName.startsWith("."))
      .map(({ fileName }) => {
        const target = relative(root, join(root, dirname(file), fileName));
        return [`${target}.ts`, join(target, "index.ts"), target].find((candidate) => known.has(candidate));
      });
    graph.set(file, [...new Set(targets.filter((target) => target !== undefined))]);
  }
  return graph;
}

/** Imports that run back, from a room to one after it, as "importer -> imported". */
export function backArrows(graph: ReadonlyMap<string, readonly string[]>, rooms: readonly string[] = ROOMS): string[] {
  const place = (file: string): number => {
    const [room, ...inside] = file.split("/");
    return inside.length === 0 ? rooms.length : rooms.indexOf(room);
  };
  return [...graph].flatMap(([file, targets]) =>
    targets.filter((target) => place(target) > place(file)).map((target) => `${file} -> ${target}`),
  );
}

/** Folders that are not among the rooms. */
export function unknownRooms(graph: ReadonlyMap<string, unknown>, rooms: readonly string[] = ROOMS): string[] {
  const folders = [...graph.keys()].filter((file) => file.includes("/")).map((file) => file.split("/")[0]);
  return [...new Set(folders)].filter((folder) => !rooms.includes(folder));
}

/** Files that import each other in a circle: strongly connected components (Tarjan, 1972) of more than one file. */
export function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file)!, low.get(target)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1 || graph.get(file)?.includes(file)) found.push(component.sort());
  };
  for (const file of graph.keys()) if (!index.has(file)) visit(file);
  return found;
}
