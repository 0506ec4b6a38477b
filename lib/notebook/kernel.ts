import { visibleText } from "../data/visible-text";

/**
 * One output in several representations, by MIME type. A front end shows the richest one that it supports. Values are
 * strings, or objects for JSON types.
 */
export type MimeBundle = Record<string, unknown>;

/** Interface that kernel/server.cjs provides to notebook code. */
export interface NotebookKernel {
  /**
   * Sends an output to the front end.
   *
   * @param update true to replace the output with the same `display_id`
   * @returns whether all representations are shown: those that are too large, of 50 million characters, are left out
   */
  display(
    content: { data: MimeBundle; metadata: Record<string, unknown>; transient: { display_id?: string } },
    update: boolean,
  ): boolean;
  /** signal of the running cell; aborted when the user interrupts the kernel (■) while that cell runs */
  readonly signal: AbortSignal;
  /**
   * Set by the library when it is loaded, and again when it is loaded anew after an edit: shows the value of a cell's last
   * expression if the library knows how. The kernel describes the values for which it answers false.
   */
  showResult?: (value: unknown) => Promise<boolean>;
}

/** A bundle whose plain text has no escape sequences of texts that were put into it: front ends would obey them. */
export function safeBundle(bundle: MimeBundle): MimeBundle {
  const plain = bundle["text/plain"];
  return typeof plain === "string" ? { ...bundle, "text/plain": visibleText(plain) } : bundle;
}

/** Returns the notebook kernel, or undefined if this process is not a kernel. */
export function notebookKernel(): NotebookKernel | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for("promptloss.kernel")] as NotebookKernel | undefined;
}
