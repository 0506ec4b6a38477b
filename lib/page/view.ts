// Views are parts of a page that a script draws in the browser: in JupyterLab by this project's extension, in a report by
// the page itself. The scripts lie in `browser/`; each adds one function to `promptlossViews`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TableData } from "./table-view";
import type { TextsData } from "./texts-view";

/** The data of a view, by the name of the script that draws it. */
export type View = { view: "table"; data: TableData } | { view: "texts"; data: TextsData };

/** MIME type of a {@link View} in a notebook's output. */
export const VIEW_MIME = "application/vnd.promptloss.view+json";

/** Libraries that the scripts use, by their paths below node_modules. */
const LIBRARIES = {
  scripts: ["tabulator-tables/dist/js/tabulator.min.js"],
  styles: ["tabulator-tables/dist/css/tabulator_simple.min.css"],
};
const SCRIPTS = ["table.js", "texts.js"];
const STYLES = ["views.css"];

/**
 * Reads the scripts and styles that draw views, libraries first, to be put into a page.
 *
 * The page then draws a view with `promptlossViews[view](element, data)`.
 */
export function viewAssets(): { script: string; style: string } {
  const library = (path: string) => readFileSync(require.resolve(path), "utf8");
  const own = (name: string) => readFileSync(join(__dirname, "browser", name), "utf8");
  return {
    script: [...LIBRARIES.scripts.map(library), ...SCRIPTS.map(own)].join("\n;\n"),
    style: [...LIBRARIES.styles.map(library), ...STYLES.map(own)].join("\n"),
  };
}
