// Worker that reports which of the variables about precision it has.
const names = ["PROMPTLOSS_PRECISION", "NVIDIA_TF32_OVERRIDE", "TF_DETERMINISTIC_OPS"];
process.send!(Object.fromEntries(names.flatMap((name) => (name in process.env ? [[name, process.env[name]]] : []))));
process.disconnect();
