/**
 * Draws a standard normal variate by Marsaglia's polar method.
 *
 * @param random uniform on [0, 1)
 */
export function normalVariate(random: () => number): number {
  for (;;) {
    const x = 2 * random() - 1;
    const y = 2 * random() - 1;
    const s = x * x + y * y;
    if (s > 0 && s < 1) return x * Math.sqrt((-2 * Math.log(s)) / s);
  }
}

/**
 * Draws a beta variate G_a / (G_a + G_b) from two gamma variates. Their logarithms are compared, which do not underflow
 * for small shapes.
 *
 * @param a first shape, above 0
 * @param b second shape, above 0
 * @param random uniform on [0, 1)
 */
export function betaVariate(a: number, b: number, random: () => number): number {
  return 1 / (1 + Math.exp(logGammaVariate(b, random) - logGammaVariate(a, random)));
}

/**
 * Draws the logarithm of a gamma variate with unit scale (Marsaglia & Tsang 2000). For shapes below 1, a variate of
 * shape + 1 is multiplied by a power of a uniform one.
 */
function logGammaVariate(shape: number, random: () => number): number {
  const boost = shape < 1 ? Math.log(1 - random()) / shape : 0;
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normalVariate(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return boost + Math.log(d * v);
  }
}
