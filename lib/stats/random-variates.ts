/** A standard normal number from uniform ones (Marsaglia's polar method). */
export function normalVariate(random: () => number): number {
  for (;;) {
    const x = 2 * random() - 1;
    const y = 2 * random() - 1;
    const s = x * x + y * y;
    if (s > 0 && s < 1) return x * Math.sqrt((-2 * Math.log(s)) / s);
  }
}

/** A beta number with shapes a and b: two gammas, compared by their logarithms, which small shapes do not underflow. */
export function betaVariate(a: number, b: number, random: () => number): number {
  return 1 / (1 + Math.exp(logGammaVariate(b, random) - logGammaVariate(a, random)));
}

/** The logarithm of a gamma number (Marsaglia & Tsang 2000; shapes below 1 by a power of a uniform number). */
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
