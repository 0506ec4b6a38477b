import { notebookKernel } from "./kernel";

/** The controller that Ctrl-C aborts outside a notebook. */
let terminal: AbortController | undefined;

/**
 * Returns a signal that is aborted when the user interrupts the current cell (■). Call it in the cell that uses the
 * signal. Outside a notebook, the first Ctrl-C aborts the signal and a second one ends the process as usual.
 *
 * @returns a signal that is not yet aborted; outside a notebook, the same one until Ctrl-C
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
