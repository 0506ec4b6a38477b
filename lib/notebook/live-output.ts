import { randomUUID } from "node:crypto";
import { notebookKernel, safeBundle, type MimeBundle } from "./kernel";

/**
 * Creates an output of the running cell that is replaced in place.
 *
 * @returns a function that displays its argument in place of the previous one; outside a notebook it does nothing
 */
export function liveOutput(): (data: MimeBundle) => void {
  const kernel = notebookKernel();
  const transient = { display_id: randomUUID() };
  let displayed = false;
  return (data) => {
    kernel?.display({ data: safeBundle(data), metadata: {}, transient }, displayed);
    displayed = true;
  };
}
