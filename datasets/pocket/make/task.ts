import type { Example } from "../../../lib/data/example";

/** A row in Alpaca's format, with the topic that it was generated from. */
export interface Task extends Example {
  /** the kind of task, for example "describe" or "translate" */
  topic: string;
}
