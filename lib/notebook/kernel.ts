/** One output in every form that it has, the richest of which a front end shows, by MIME type; JSON types hold objects. */
export type MimeBundle = Record<string, unknown>;

/** What kernel/server.cjs offers to code that runs in a notebook. */
export interface NotebookKernel {
  display(
    content: { data: MimeBundle; metadata: Record<string, unknown>; transient: { display_id?: string } },
    update: boolean,
  ): void;
  /** aborted when ■ is pressed while the cell runs that is current now */
  readonly signal: AbortSignal;
}

/** The notebook's kernel, if this process is one. */
export function notebookKernel(): NotebookKernel | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for("promptloss.kernel")] as NotebookKernel | undefined;
}
