// Loaded before a sweep process and its workers (NODE_OPTIONS=--require): pretends another machine and another clock.
// OTHER_HOST   host name, so that process ids of the other processes mean nothing
// OTHER_CLOCK  milliseconds that the clock is ahead; "jumps": set to a random offset every 50 to 300 ms
const os = require("node:os");

const { OTHER_HOST, OTHER_CLOCK } = process.env;
if (OTHER_HOST) os.hostname = () => OTHER_HOST;
if (OTHER_CLOCK) {
  const RealDate = Date;
  const MINUTE = 60_000;
  const OFFSETS = [0, 0, 15 * MINUTE, -15 * MINUTE, 525_600 * MINUTE, -525_600 * MINUTE];
  let offset = Number(OTHER_CLOCK) || 0;
  globalThis.Date = class extends RealDate {
    constructor(...values) {
      if (values.length === 0) super(RealDate.now() + offset);
      else super(...values);
    }
    static now() {
      return RealDate.now() + offset;
    }
  };
  const jump = () => {
    offset = OFFSETS[Math.floor(Math.random() * OFFSETS.length)];
    setTimeout(jump, 50 + 250 * Math.random()).unref();
  };
  if (OTHER_CLOCK === "jumps") jump();
}
