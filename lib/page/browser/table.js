// Draws a table.
globalThis.promptlossViews ??= {};

/**
 * @param {HTMLElement} element
 * @param {{columns: string[], rows: unknown[][]}} data
 */
globalThis.promptlossViews.table = (element, data) => {
  const holder = document.createElement("div");
  element.append(holder);
  new globalThis.Tabulator(holder, {
    columns: data.columns.map((title, i) => ({ title, field: String(i) })),
    data: data.rows.map((row) => ({ ...row })),
    maxHeight: 400,
  });
};
