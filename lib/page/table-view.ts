/** The data of an interactive table. */
export interface TableData {
  columns: readonly string[];
  rows: readonly (readonly (string | number | boolean | null)[])[];
}
