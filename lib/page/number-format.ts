// How numbers of a column are written, in plain tables and in views.

/**
 * Chooses the number of decimals of a column.
 *
 * @param values the column's numbers; zeros and non-finite numbers do not affect the choice
 * @returns undefined for columns whose numbers are rounded each by itself, see {@link numberFormat}, and for whole numbers
 */
export function commonDecimals(values: readonly number[]): number | undefined {
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  if (sizes.every(Number.isInteger)) return undefined;
  const largest = sizes.reduce((a, b) => Math.max(a, b));
  const smallest = sizes.reduce((a, b) => Math.min(a, b));
  const decimals = 3 - Math.floor(Math.log10(largest));
  return largest / smallest < 1000 && decimals <= 6 ? Math.max(decimals, 0) : undefined;
}

/**
 * Chooses the number format of a column.
 *
 * - Whole numbers are written in full.
 * - Other columns get a common number of decimals, such that the largest absolute value has four significant digits.
 * - If the absolute values span a factor of 1000 or more, or the common format needed more than 6 decimals, each number
 *   is rounded by itself to four significant digits, or to an integer from 1000 on.
 *
 * @param values the column's numbers; zeros and non-finite numbers do not affect the choice
 * @returns a function that formats a number of the column
 */
export function numberFormat(values: readonly number[]): (value: number) => string {
  const decimals = commonDecimals(values);
  return (value) => {
    if (!Number.isFinite(value)) return String(value);
    if (decimals !== undefined) return value.toFixed(decimals);
    return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  };
}
