// Views are parts of a page that a script draws in the browser: in JupyterLab by this project's extension, in a report by
// the page itself. The scripts lie in `browser/`; each adds one function to `promptlossViews`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";
import type { TableData } from "./table-view";
import type { TextsData } from "./texts-view";

/** The data of a view, by the name of the script that draws it. */
export type View = { view: "table"; data: TableData } | { view: "texts"; data: TextsData };

/** MIME type of a {@link View} in a notebook's output. */
export const VIEW_MIME = "application/vnd.promptloss.view+json";

/**
 * Reads the scripts and styles that draw views, libraries first, to be put into a page. The files are those of
 * `browser/files.json`, which JupyterLab's extension has too.
 *
 * The page then draws a view with `promptlossViews[view](element, data)`.
 *
 * @throws {Error} outside the repository
 */
export function viewAssets(): { script: string; style: string } {
  const root = repositoryRoot();
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const files = JSON.parse(read("lib/page/browser/files.json")) as Record<"scripts" | "styles", string[]>;
  return { script: files.scripts.map(read).join("\n;\n"), style: files.styles.map(read).join("\n") };
}
