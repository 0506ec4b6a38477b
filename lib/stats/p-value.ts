/**
 * Formats a p-value with three decimals: "p = 0.012", or "p < 0.001".
 *
 * @param resolution smallest value that can be told from 0, of a p-value from simulations; default 0.001
 */
export function formatP(p: number, resolution = 0.001): string {
  const smallest = Math.max(resolution, 0.001);
  return p < smallest ? `p < ${Number(smallest.toFixed(3))}` : `p = ${p.toFixed(3)}`;
}
