// Draws the texts that runs generated for a prompt, all weights side by side. Text from data is only ever set as text.
globalThis.promptlossViews ??= {};

/**
 * @typedef {[row: number, plw: number, text: number, length: number, cutOff: number, bleu: number | null,
 *   verdict: number | null]} TextCell
 * @typedef {{task: string, id: number, asked: number, prompt: number, references: number[], opponent: number | null,
 *   change: number | null, texts: TextCell[]}} TextsPrompt
 * @param {HTMLElement} element where to draw
 * @param {{caption: string, strings: string[], factors: string[], rows: string[][], plws: number[], unit: string,
 *   verdicts: string[], prompts: TextsPrompt[], absent: string[]}} data TextsData of lib/page/texts-view.ts
 */
globalThis.promptlossViews.texts = (element, data) => {
  const LISTED = 200; // prompts in the list until more are asked for
  const DRAWN = 20; // rows of a prompt until more are asked for
  const MAX_COMPARED = 4e6; // product of the numbers of words; longer texts are not compared

  const { strings, factors, rows, plws, prompts } = data;
  let lowerCase; // of strings, made at the first search
  let found = null; // indices of the strings that the search finds; null without a search
  let chosen = 0;

  const search = add("input", { type: "search", placeholder: "Search prompts and texts" });
  search.ariaLabel = search.placeholder;
  const task = choice("task", distinct(prompts.map((prompt) => prompt.task)));
  const filters = factors.map((factor, i) => choice(factor, distinct(rows.map((row) => row[i]))));
  const reference = select([
    ["smaller", "the next smaller PLW"],
    ...plws.map((plw, i) => [String(i), `PLW ${plw}`]),
    ["answer", "the reference answer"],
    ["nothing", "nothing"],
  ]);
  const removed = add("input", { type: "checkbox", checked: true });
  const weights = plws.map((plw) => add("input", { type: "checkbox", checked: true }));
  const count = add("span", { className: "promptloss-texts-faint", role: "status" });
  const list = add("div", { className: "promptloss-texts-list" });
  list.role = "listbox";
  list.ariaLabel = "Prompts";
  const asked = add("div", { className: "promptloss-texts-prompt" });
  const grid = add("div", { className: "promptloss-texts-grid" });

  const shownChoices = [task, ...filters].filter(({ values }) => values.length > 1);
  element.classList.add("promptloss-texts");
  element.append(
    ...(data.caption ? [add("div", { className: "promptloss-caption", textContent: data.caption })] : []),
    add("div", { className: "promptloss-texts-bar" }, search, ...(task.values.length > 1 ? [task.label] : []), count),
    add(
      "div",
      { className: "promptloss-texts-columns" },
      list,
      add(
        "div",
        { className: "promptloss-texts-chosen" },
        asked,
        add(
          "div",
          { className: "promptloss-texts-bar" },
          ...shownChoices.filter((each) => each !== task).map(({ label }) => label),
          add("label", {}, "compare with ", reference),
          add("label", {}, removed, " ", add("del", { textContent: "removed" }), " words"),
        ),
        add(
          "div",
          { className: "promptloss-texts-bar", hidden: plws.length < 2 },
          add("span", { className: "promptloss-texts-faint", textContent: "PLW" }),
          ...weights.map((box, i) => add("label", {}, box, ` ${plws[i]}`)),
        ),
        grid,
      ),
    ),
    ...(data.absent.length > 0 ? [absentTexts()] : []),
  );

  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawList, 120);
  });
  task.select.addEventListener("change", drawList);
  for (const input of [...filters.map((filter) => filter.select), reference, removed, ...weights])
    input.addEventListener("change", drawGrid);
  list.addEventListener("keydown", (event) => {
    const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = document.activeElement[to];
    next?.focus();
    if (next?.role === "option") next.click();
  });
  drawList();

  /** Lists the prompts that match, and shows the first of them if the chosen one does not match. */
  function drawList() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = words.length === 0 ? null : findStrings(words);
    const isFound = (text) => found.has(text);
    const matching = prompts.flatMap((prompt, i) => {
      if (task.select.value !== "" && prompt.task !== task.select.value) return [];
      const matches =
        found === null ||
        [prompt.prompt, ...prompt.references].some(isFound) ||
        prompt.texts.some(([, , text]) => found.has(text));
      return matches ? [i] : [];
    });
    count.textContent =
      matching.length === prompts.length
        ? `${prompts.length} prompts`
        : `${matching.length} of ${prompts.length} prompts`;
    list.textContent = "";
    appendSome(list, matching, LISTED, entry, "prompts");
    if (matching.length > 0) choose(matching.includes(chosen) ? chosen : matching[0]);
    else {
      chosen = -1;
      asked.textContent = "";
      grid.textContent = prompts.length > 0 ? "No prompt matches." : "There are no texts.";
    }
  }

  /** Indices of the strings that contain every word. */
  function findStrings(words) {
    lowerCase ??= strings.map((text) => text.toLowerCase());
    const indices = new Set();
    lowerCase.forEach((text, i) => {
      if (words.every((word) => text.includes(word))) indices.add(i);
    });
    return indices;
  }

  function entry(i) {
    const { task: name, id, asked: text, change } = prompts[i];
    const button = add(
      "button",
      { type: "button" },
      add("span", { className: "promptloss-texts-faint", textContent: `${name} ${id}` }),
      add("span", { className: "promptloss-texts-asked", textContent: strings[text].slice(0, 300), dir: "auto" }),
    );
    if (change !== null) {
      const title = "mean share of words that change between neighboring PLWs";
      button.append(add("span", { className: "promptloss-texts-faint", textContent: percent(change), title }));
    }
    button.role = "option";
    button.dataset.prompt = i;
    button.addEventListener("click", () => choose(i));
    return button;
  }

  function choose(i) {
    chosen = i;
    for (const option of list.querySelectorAll("[role=option]"))
      option.ariaSelected = String(option.dataset.prompt === String(i));
    drawPrompt();
    drawGrid();
  }

  function drawPrompt() {
    const prompt = prompts[chosen];
    const changes = prompt.change === null ? "" : ` · ${percent(prompt.change)} of words change`;
    asked.textContent = "";
    asked.append(
      add("div", { className: "promptloss-texts-faint", textContent: `${prompt.task} · item ${prompt.id}${changes}` }),
      add("div", { className: "promptloss-texts-request", textContent: strings[prompt.asked], dir: "auto" }),
      add(
        "details",
        {},
        add("summary", { textContent: "whole request" }),
        add("div", { className: "promptloss-texts-text", textContent: strings[prompt.prompt], dir: "auto" }),
      ),
    );
    const named = [
      ...prompt.references.map((text) => ["reference", text]),
      ...(prompt.opponent === null ? [] : [["opponent", prompt.opponent]]),
    ];
    for (const [name, text] of named)
      asked.append(
        add(
          "div",
          { className: "promptloss-texts-named" },
          add("span", { className: "promptloss-texts-faint", textContent: name }),
          add("div", { className: "promptloss-texts-text", textContent: strings[text], dir: "auto" }),
        ),
      );
  }

  function drawGrid() {
    if (!prompts[chosen]) return;
    const shown = rows.flatMap((row, r) => {
      const passes = filters.every(({ select: { value } }, i) => value === "" || row[i] === value);
      const cells = prompts[chosen].texts.filter(([of]) => of === r).sort((a, b) => a[1] - b[1]);
      return passes && cells.length > 0 ? [{ row, cells }] : [];
    });
    grid.textContent = "";
    appendSome(grid, shown, DRAWN, rowOf, "rows");
    if (shown.length === 0) grid.textContent = "No run matches.";
  }

  /** The texts of runs that differ only in the PLW. */
  function rowOf({ row, cells }) {
    const visible = cells.filter(([, plw]) => weights[plw].checked);
    const holder = add("div", { className: "promptloss-texts-cells" }, ...visible.map((cell) => cellOf(cell, cells)));
    const name = factors.map((factor, i) => (/^(dataset|model|variant)$/.test(factor) ? "" : `${factor} `) + row[i]);
    return add("section", {}, add("h4", { textContent: name.join(" · ") }), holder);
  }

  function cellOf(cell, cells) {
    const [, plw, text, length, cutOff, bleu, verdict] = cell;
    const other = comparedWith(cell, cells);
    const about = [
      `${length} ${length === 1 ? data.unit.slice(0, -1) : data.unit}${cutOff ? ", cut off" : ""}`,
      ...(bleu === null ? [] : [`BLEU ${bleu.toFixed(1)}`]),
      ...(verdict === null ? [] : [data.verdicts[verdict]]),
      ...(other && strings[other.text] === strings[text] ? [`same as ${other.name}`] : []),
      ...(found?.has(text) ? ["found"] : []),
    ];
    const body = add("div", { className: "promptloss-texts-text", dir: "auto" });
    if (strings[text] === "")
      body.append(add("span", { className: "promptloss-texts-faint", textContent: "(empty) " }));
    body.append(...(other ? differences(strings[other.text], strings[text]) : [strings[text]]));
    return add(
      "div",
      { className: "promptloss-texts-cell" },
      add(
        "div",
        { className: "promptloss-texts-head" },
        add("strong", { textContent: `PLW ${plws[plw]}` }),
        add("span", { className: "promptloss-texts-faint", textContent: about.join(" · ") }),
      ),
      body,
    );
  }

  /** The text that a cell's is compared with, and its name; undefined if there is none. */
  function comparedWith([, plw], cells) {
    const { value } = reference;
    const { references } = prompts[chosen];
    if (value === "nothing" || (value === "answer" && references.length === 0)) return undefined;
    if (value === "answer") return { text: references[0], name: "the reference" };
    const other =
      value === "smaller"
        ? cells[cells.findIndex((cell) => cell[1] === plw) - 1]
        : cells.find((cell) => String(cell[1]) === value);
    return other && other[1] !== plw ? { text: other[2], name: `PLW ${plws[other[1]]}` } : undefined;
  }

  /** The new text, with added words as ins and removed ones as del elements. */
  function differences(before, after) {
    const nodes = [];
    const mark = (tag, words) => {
      const [, space, text] = /^(\s*)(.*)$/s.exec(words.join(""));
      nodes.push(space === "" && nodes.at(-1)?.tagName === "DEL" ? " " : space);
      if (text !== "") nodes.push(add(tag, { textContent: text }));
    };
    for (const { kind, words } of compareWords(before, after)) {
      if (kind === "same") nodes.push(words.join(""));
      else if (kind === "added") mark("ins", words);
      else if (removed.checked) mark("del", words);
    }
    return nodes;
  }

  /**
   * Compares two texts word by word, by a longest common subsequence. A word includes the white space before it, which
   * is not compared.
   *
   * @returns parts in reading order; those that are the same or added make up `after`
   */
  function compareWords(before, after) {
    const a = before.match(/\s*\S+|\s+$/g) ?? [];
    const b = after.match(/\s*\S+|\s+$/g) ?? [];
    if (a.length * b.length > MAX_COMPARED) return [{ kind: "same", words: b }];
    const left = a.map((word) => word.trim());
    const right = b.map((word) => word.trim());
    const width = b.length + 1;
    const common = new Uint32Array((a.length + 1) * width); // length of the longest common subsequence from i, j on
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        common[i * width + j] =
          left[i] === right[j]
            ? common[(i + 1) * width + j + 1] + 1
            : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    const parts = [];
    const push = (kind, word) => {
      const last = parts.at(-1);
      if (last?.kind === kind) last.words.push(word);
      else parts.push({ kind, words: [word] });
    };
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && left[i] === right[j]) {
        push("same", b[j++]);
        i++;
      } else if (j === b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1]))
        push("removed", a[i++]);
      else push("added", b[j++]);
    }
    return parts;
  }

  function absentTexts() {
    const lines = data.absent.map((line) => add("li", { textContent: line }));
    return add("details", {}, add("summary", { textContent: "Without texts" }), add("ul", {}, ...lines));
  }

  /** Appends the first elements, and a button that appends more. */
  function appendSome(parent, items, size, make, name) {
    parent.append(...items.slice(0, size).map(make));
    const rest = items.slice(size);
    if (rest.length === 0) return;
    const label = `Show ${Math.min(size, rest.length)} more of ${rest.length} ${name}`;
    const more = add("button", { type: "button", textContent: label, className: "promptloss-texts-more" });
    more.addEventListener("click", () => {
      more.remove();
      appendSome(parent, rest, size, make, name);
    });
    parent.append(more);
  }

  /** A list to choose one of the values, or all of them. */
  function choice(name, values) {
    const box = select([["", "all"], ...values.map((value) => [value, value])]);
    return { values, select: box, label: add("label", {}, `${name} `, box) };
  }

  function select(options) {
    return add("select", {}, ...options.map(([value, textContent]) => add("option", { value, textContent })));
  }

  /** Creates an element. Its text is set by textContent. */
  function add(tag, properties = {}, ...children) {
    const created = Object.assign(document.createElement(tag), properties);
    created.append(...children);
    return created;
  }

  function distinct(values) {
    return [...new Set(values)];
  }

  function percent(share) {
    return `${Math.round(100 * share)} %`;
  }
};
