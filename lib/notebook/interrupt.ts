import { notebookKernel } from "./kernel";

let terminal: AbortController | undefined;

/**
 * A signal that is aborted when ■ is pressed while the current cell runs; ask for it in the cell that uses it.
 * Outside a notebook it is aborted by Ctrl-C, a second one of which ends the process as usual.
 */
export function interruptSignal(): AbortSignal {
  const kernel = notebookKernel();
  if (kernel) return kernel.signal;
  if (!terminal || terminal.signal.aborted) {
    const controller = new AbortController();
    process.once("SIGINT", () => controller.abort(new DOMException("Interrupted", "AbortError")));
    terminal = controller;
  }
  return terminal.signal;
}
