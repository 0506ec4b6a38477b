import type { DataFrame } from "danfojs-node";
import type { Row } from "./figure";

/** A table of the paper: as it is read, and its numbers in full. */
export interface Table {
  /** File name without extension, for example "table1". */
  name: string;
  frame: DataFrame;
  rows: Row[];
  caption: string;
}
