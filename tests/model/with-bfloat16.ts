// Import this first: the process computes products of bfloat16, where the processor can.
process.env.PROMPTLOSS_PRECISION = "bfloat16";
