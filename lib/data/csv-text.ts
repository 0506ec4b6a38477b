// Text in cells of CSV files. Spreadsheets take a cell that begins with = + - or @, also after a tab or a line end, for a
// formula: such a text gets a leading apostrophe, as OWASP advises against CSV injection.
import { visibleText } from "./visible-text";

/** A decimal number with a decimal point, optionally with an exponent; not hexadecimal, not Infinity. */
export const DECIMAL_NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

/** What a spreadsheet takes for a formula, and texts that the marked ones must be told apart from. */
const FORMULA = /^'*[=+\-@＝＋－＠\t\r\n]/;

/**
 * Makes a text safe for a cell: what a spreadsheet would take for a formula gets an apostrophe, control characters become
 * visible, numbers stay as they are.
 */
export function toCellText(text: string): string {
  const shown = visibleText(text);
  return FORMULA.test(shown) && !DECIMAL_NUMBER.test(shown) ? `'${shown}` : shown;
}

/** The inverse of {@link toCellText}, but for control characters: removes the apostrophe that it added. */
export function fromCellText(cell: string): string {
  const text = cell.slice(1);
  return cell.startsWith("'") && FORMULA.test(text) && !DECIMAL_NUMBER.test(text) ? text : cell;
}
