// Python's `random.Random`, with identical output: lm-evaluation-harness draws its few-shot examples with it.
// Source: CPython 3.11, Modules/_randommodule.c and Lib/random.py.

// State size and offset of MT19937.
const N = 624;
const M = 397;

/** CPython's Mersenne Twister (MT19937), with the methods of `random.Random` that the harness uses. */
export class PythonRandom {
  private readonly state = new Uint32Array(N);
  private position = N;

  /**
   * Seeds the generator as `random.Random(seed)`.
   * @param seed whole number, 0 ≤ seed < 2⁵³
   * @throws {RangeError} for any other seed
   */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new RangeError(`a seed must be a whole number from 0 to 2^53 - 1, got ${seed}`);
    const high = Math.floor(seed / 2 ** 32);
    this.seedWith(high > 0 ? [seed >>> 0, high] : [seed >>> 0]);
  }

  /** Draws a number uniformly from [0, 1), with 53 random bits. */
  random(): number {
    const a = this.next() >>> 5;
    const b = this.next() >>> 6;
    return (a * 67108864 + b) / 9007199254740992;
  }

  /**
   * Draws a whole number uniformly from 0 ≤ x < n (`_randbelow`).
   * @param n whole number, 1 ≤ n < 2³²
   */
  below(n: number): number {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const drawn = this.next() >>> (32 - bits);
      if (drawn < n) return drawn;
    }
  }

  /**
   * Draws k elements without replacement.
   * @returns the elements in the order drawn
   * @throws {RangeError} if k is negative or exceeds the population
   */
  sample<T>(population: readonly T[], k: number): T[] {
    const n = population.length;
    if (k < 0 || k > n) throw new RangeError(`cannot draw ${k} of ${n} elements without replacement`);
    const setSize = 21 + (k > 5 ? 4 ** Math.ceil(Math.log(3 * k) / Math.log(4)) : 0);
    if (n <= setSize) {
      const pool = [...population];
      return Array.from({ length: k }, (_, i) => {
        const j = this.below(n - i);
        const drawn = pool[j];
        pool[j] = pool[n - i - 1];
        return drawn;
      });
    }
    const selected = new Set<number>();
    while (selected.size < k) selected.add(this.below(n)); // repeated draws are discarded, as in CPython
    return Array.from(selected, (j) => population[j]);
  }

  /** Shuffles an array in place. */
  shuffle(values: unknown[]): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [values[i], values[j]] = [values[j], values[i]];
    }
  }

  /** Draws k elements with replacement. */
  choices<T>(population: readonly T[], k: number): T[] {
    return Array.from({ length: k }, () => population[Math.floor(this.random() * population.length)]);
  }

  private seedWith(key: number[]): void {
    const { state } = this;
    state[0] = 19650218;
    for (let i = 1; i < N; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    let i = 1;
    let j = 0;
    const mixed = (factor: number) => state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor);
    const advance = () => {
      if (++i < N) return;
      state[0] = state[N - 1];
      i = 1;
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      state[i] = mixed(1664525) + key[j] + j;
      advance();
      if (++j >= key.length) j = 0;
    }
    for (let k = N - 1; k > 0; k--) {
      state[i] = mixed(1566083941) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  private next(): number {
    if (this.position >= N) this.twist();
    let y = this.state[this.position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < N; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }
}
