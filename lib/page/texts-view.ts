/** The data of a view of generated texts, side by side. */
export interface TextsData {
  prompts: readonly unknown[];
}
