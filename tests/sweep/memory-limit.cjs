// Loaded into a worker before its program: with the first job, the process may allocate PROMPTLOSS_TEST_MEMORY more
// bytes of address space and no more, so that TensorFlow's allocator fails as it does on a full device.
const { spawnSync } = require("node:child_process");
const { readFileSync } = require("node:fs");

if (process.send && process.env.PROMPTLOSS_TEST_MEMORY) {
  process.once("message", () => {
    const taken = 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const limit = taken + Number(process.env.PROMPTLOSS_TEST_MEMORY);
    const { status } = spawnSync("prlimit", ["--pid", String(process.pid), `--as=${limit}`]);
    if (status !== 0) throw new Error("prlimit failed");
  });
}
