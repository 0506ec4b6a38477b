import { PromptlossError } from "../data/errors";

/** What has no stored result: a task of some runs. */
export interface Absence {
  /** null: all tasks */
  task: string | null;
  /** display names */
  runs: string[];
  /** for people, without a period at the end */
  reason: string;
}

/** Collects what has no stored result, one entry per task and reason. */
export class Absences {
  private readonly entries = new Map<string, Absence>();

  add(task: string | null, run: string, reason: string): void {
    const key = JSON.stringify([task, reason]);
    const runs = this.entries.get(key)?.runs ?? [];
    this.entries.set(key, { task, reason, runs: [...runs, run] });
  }

  /**
   * Adds a result that cannot be read, by the message of its error.
   * @throws the error itself if it is none that this project raises
   */
  addError(task: string | null, run: string, error: unknown): void {
    if (!(error instanceof PromptlossError)) throw error;
    this.add(task, run, error.message.replace(/\.$/, ""));
  }

  /** In the order in which the entries were begun. */
  list(): Absence[] {
    return [...this.entries.values()];
  }
}
