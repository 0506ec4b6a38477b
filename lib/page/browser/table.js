// Draws a table to sort, search, filter and choose from, with Tabulator. Text from data is only ever set as text.
globalThis.promptlossViews ??= {};

/**
 * @typedef {{title: string, kind: "number" | "text" | "boolean", decimals?: number, idLength?: number}} TableColumn
 * @typedef {string | number | boolean | null} Cell
 * @param {HTMLElement} element where to draw
 * @param {{columns: TableColumn[], rows: Cell[][], caption?: string}} data TableData of lib/page/table-view.ts
 */
globalThis.promptlossViews.table = (element, data) => {
  const MAX_HEIGHT = 455; // px; longer tables scroll
  const MAX_WIDTH = 320; // px of a column; longer texts end with "…"
  const MAX_CHOICES = 12; // values of a column with a filter
  const MAX_FILTERS = 6;
  const NUMBERS_TO_FILTER = /^(plw|seed)$/i; // factors; other numbers are measurements

  const { columns, rows, caption } = data;
  const ids = columns.findIndex(({ idLength }) => idLength !== undefined);
  const texts = rows.map((row) => row.map((cell, i) => write(cell, columns[i])));
  const searched = rows.map((row, r) => row.map((cell, i) => `${texts[r][i]} ${cell ?? ""}`.toLowerCase()).join(" "));

  const search = add("input", { type: "search", placeholder: "Search", ariaLabel: "Search the table" });
  const filters = columns
    .map((column, i) => filterOf(column, i))
    .filter((filter) => filter !== null)
    .slice(0, MAX_FILTERS);
  const count = add("span", { className: "promptloss-table-count", role: "status" });
  const chosen = add("span");
  const copy = add("button", {
    type: "button",
    textContent: "Copy ids",
    title: "Copies an array to paste into a cell: const chosen = […]; runs.filter(({ id }) => chosen.includes(id))",
  });
  const choice = add("span", { className: "promptloss-table-choice", hidden: true }, chosen, copy);
  const holder = add("div");
  element.classList.add("promptloss-table");
  if (caption) element.append(add("div", { className: "promptloss-caption", textContent: caption }));
  const labels = filters.map(({ label }) => label);
  element.append(add("div", { className: "promptloss-table-bar" }, search, ...labels, count, choice), holder);

  const widths = columnWidths();
  const table = new globalThis.Tabulator(holder, {
    data: rows.map((row, r) => ({ r, ...Object.fromEntries(row.map((cell, i) => [`c${i}`, cell])) })),
    index: "r",
    columns: columns.map((column, i) => ({
      title: column.title,
      field: `c${i}`,
      width: widths[i],
      hozAlign: column.kind === "number" ? "right" : "left",
      headerHozAlign: column.kind === "number" ? "right" : "left",
      headerWordWrap: true,
      cssClass: `promptloss-${column.kind}`,
      titleFormatter: () => add("button", { type: "button" }, ...breakable(column.title)),
      formatter: (cell) => {
        const row = cell.getRow().getIndex();
        if (column.idLength !== undefined || widths[i] === MAX_WIDTH) cell.getElement().title = String(rows[row][i]);
        return document.createTextNode(texts[row][i]);
      },
      sorter: (a, b, _a, _b, _column, direction) => compare(a, b, direction),
    })),
    ...(ids !== -1 && {
      selectableRows: true,
      rowHeader: {
        formatter: "rowSelection",
        titleFormatter: "rowSelection",
        titleFormatterParams: { rowRange: "active" },
        headerSort: false,
        resizable: false,
        width: 28,
        minWidth: 28,
        hozAlign: "center",
        headerHozAlign: "center",
      },
    }),
    maxHeight: MAX_HEIGHT,
    placeholder: "No row matches.",
  });

  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    const matches = ({ r }) =>
      words.every((word) => searched[r].includes(word)) &&
      filters.every(({ column, select }) => select.value === "" || texts[r][column] === select.value);
    table.setFilter(matches);
  };
  search.addEventListener("input", update);
  for (const { select } of filters) select.addEventListener("change", update);
  const showCount = (shown) => {
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  };
  showCount(rows.length);
  table.on("dataFiltered", (_filters, shown) => showCount(shown.length));
  table.on("rowSelectionChanged", (selected) => {
    choice.hidden = selected.length === 0;
    chosen.textContent = `${selected.length} chosen`;
    copy.textContent = "Copy ids";
  });
  copy.addEventListener("click", async () => {
    const values = new Set(table.getSelectedData().map(({ r }) => rows[r][ids]));
    const source = JSON.stringify([...values], null, 1).replace(/\n\s*/g, " ").replace("[ ", "[").replace(" ]", "]");
    copy.textContent = (await copied(source)) ? "Copied" : "Cannot copy";
  });

  /** Creates an element. Its text is set by textContent. */
  function add(tag, properties = {}, ...children) {
    const created = Object.assign(document.createElement(tag), properties);
    created.append(...children);
    return created;
  }

  /** A list of the values of a column, if there are few and they repeat; null for other columns. */
  function filterOf({ title, kind }, column) {
    if (kind === "number" && !NUMBERS_TO_FILTER.test(title)) return null;
    const values = new Map(rows.map((row, r) => [texts[r][column], row[column]]));
    const repeats = values.size > 1 && values.size <= MAX_CHOICES && rows.length >= 2 * values.size;
    if (!repeats) return null;
    const select = add("select", { ariaLabel: title }, add("option", { value: "", textContent: "all" }));
    for (const [text] of [...values].sort(([, a], [, b]) => compare(a, b, "asc")))
      if (text !== "") select.append(add("option", { value: text, textContent: text }));
    return { column, select, label: add("label", {}, `${title} `, select) };
  }

  /** As numberFormat of lib/page/number-format.ts. */
  function write(cell, { decimals, idLength }) {
    if (cell === null) return "";
    if (typeof cell !== "number") return String(cell).slice(0, idLength);
    if (decimals !== undefined) return cell.toFixed(decimals);
    return Math.abs(cell) >= 1000 ? cell.toFixed(0) : String(Number(cell.toPrecision(4)));
  }

  /** Numbers by size, texts by alphabet and the numbers in them; empty cells last in both directions. */
  function compare(a, b, direction) {
    if (a === null || b === null) return (Number(a === null) - Number(b === null)) * (direction === "asc" ? 1 : -1);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  /** Measured over all rows, since only the visible ones are in the page. */
  function columnWidths() {
    const context = document.createElement("canvas").getContext("2d");
    const { fontSize, fontFamily } = getComputedStyle(element);
    context.font = `${fontSize} ${fontFamily}`;
    const width = (text) => context.measureText(text).width;
    return columns.map(({ title }, i) => {
      const column = texts.map((row) => row[i]);
      const longest = column.reduce((most, { length }) => Math.max(most, length), 0);
      const candidates = [...new Set(column.filter(({ length }) => length > longest - 4))].slice(0, 100);
      const words = wordsOf(title).map((word) => 1.1 * width(word) + 10); // bold, and the arrow
      return Math.min(MAX_WIDTH, Math.ceil(16 + Math.max(...words, ...candidates.map(width))));
    });
  }

  /** "promptLoss" has the words "prompt" and "Loss". */
  function wordsOf(title) {
    return title.split(/\s+|(?<=[a-z])(?=[A-Z])/);
  }

  /** A title that may be broken between its words. */
  function breakable(title) {
    return title.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, i) => (i === 0 ? [word] : [add("wbr"), word]));
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the older way, through a selected field.
      const field = add("textarea", { value: text });
      element.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  }
};
