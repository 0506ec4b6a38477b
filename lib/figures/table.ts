import type { DataFrame } from "danfojs-node";
import type { Row } from "./figure";

/** A table of the paper: formatted cells, and numbers at full precision. */
export interface Table {
  /** file name without extension, for example "table1" */
  name: string;
  /** formatted cells, as printed in LaTeX and HTML */
  frame: DataFrame;
  /** numbers at full precision; saved as a CSV file */
  rows: Row[];
  /** caption as plain text */
  caption: string;
}
