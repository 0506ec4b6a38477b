import { createHash } from "node:crypto";

/**
 * Creates a seeded generator of uniform random numbers.
 *
 * The generator is sfc32 ("small fast counting", from Chris Doty-Humphrey's PractRand). Its 128-bit state is the start
 * of the SHA-256 of the JSON list of the seed's parts, so (1, 23), (12, 3) and ("1", 23) give unrelated streams. The
 * stream is the same on every platform.
 *
 * @param seed parts of the seed, for example a purpose, a seed number and an epoch
 * @returns a function that draws the next number in [0, 1), with 53 random bits
 */
export function seededRandom(...seed: (number | string)[]): () => number {
  const hash = createHash("sha256").update(JSON.stringify(seed)).digest();
  let a = hash.readUInt32LE(0);
  let b = hash.readUInt32LE(4);
  let c = hash.readUInt32LE(8);
  let counter = hash.readUInt32LE(12);
  const next32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  return () => ((next32() >>> 5) * 2 ** 26 + (next32() >>> 6)) / 2 ** 53;
}

/**
 * Returns a shuffled copy of an array (Fisher–Yates).
 *
 * @param random source of uniform numbers in [0, 1), such as {@link seededRandom}
 */
export function shuffled<T>(array: readonly T[], random: () => number): T[] {
  const result = [...array];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
