import { operationsInWords } from "../model/fused";
import { device, threads } from "../model/tensorflow";
import { provenance } from "../runs/provenance";

/** Describes this machine and installation, as each run records them: one row per item. */
export function machineRows(): { item: string; value: string }[] {
  const { kind, tensorflow } = device();
  const record = provenance({ tensorflow, operations: operationsInWords, device: kind, threads: threads() });
  return Object.entries({
    device: record.device,
    processor: `${record.cpu}, ${record.cores} cores`,
    memory: `${(record.memory / 2 ** 30).toFixed(0)} GiB`,
    system: record.platform,
    TensorFlow: record.tensorflow,
    operations: record.operations,
    "TensorFlow.js": record.tfjs,
    Node: record.node,
    Promptloss: `${record.promptloss}${record.commit === null ? "" : `, commit ${record.commit}`}`,
  }).map(([item, value]) => ({ item, value }));
}
