import "../model/environment"; // danfo.js loads TensorFlow, which reads its settings once
import { createRequire } from "node:module";
import type * as danfo from "danfojs-node";

const require = createRequire(__filename);

/**
 * A danfo.js data frame. The package is loaded at the first call, because it takes longer than the rest of the library.
 *
 * @param rows plain objects; columns in order of the first row's keys
 */
export function dataFrame(rows: readonly object[]): danfo.DataFrame {
  const { DataFrame } = require("danfojs-node") as typeof danfo;
  return new DataFrame(rows);
}
