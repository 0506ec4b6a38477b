import { operationsLevel } from "../model/fused";
import { device, threads } from "../model/tensorflow";
import { provenance } from "../runs/provenance";

/** This machine and installation in two columns, as each run records them. */
export function machineRows(): { item: string; value: string }[] {
  const { kind, tensorflow } = device();
  const found = provenance({ tensorflow, operations: operationsLevel, device: kind, threads: threads() });
  return Object.entries({
    device: found.device,
    processor: `${found.cpu}, ${found.cores} cores`,
    memory: `${(found.memory / 2 ** 30).toFixed(0)} GiB`,
    system: found.platform,
    TensorFlow: found.tensorflow,
    operations: found.operations,
    "TensorFlow.js": found.tfjs,
    Node: found.node,
    Promptloss: `${found.promptloss}${found.commit === null ? "" : `, commit ${found.commit}`}`,
  }).map(([item, value]) => ({ item, value }));
}
