// Runs in the browser, on the page of lib/export/browser.ts, with one exported figure as its only content. Defines
// `measureSvg()`, whose result legibility.ts describes as `Measured`. All coordinates are pixels of the page, which are
// those of the figure's layout.
"use strict";

globalThis.measureSvg = () => {
  const svg = document.body.firstElementChild;
  const page = { left: 0, top: 0, right: svg.viewBox.baseVal.width, bottom: svg.viewBox.baseVal.height };
  const all = (selector, root = svg) => [...root.querySelectorAll(selector)];
  const canvas = document.createElement("canvas").getContext("2d");

  const moved = (matrix, x, y) => [matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f];

  const boxOf = (corners) => {
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
  };

  const corners = (matrix, x, y, width, height) => [
    moved(matrix, x, y),
    moved(matrix, x + width, y),
    moved(matrix, x + width, y + height),
    moved(matrix, x, y + height),
  ];

  /** The part of the page that the clip paths of an element and of its ancestors leave. */
  const clipOf = (element) => {
    let clip = page;
    for (let owner = element; owner !== svg; owner = owner.parentElement) {
      const id = /url\("?#([^")]+)"?\)/.exec(owner.getAttribute("clip-path") ?? "")?.[1];
      const rect = id === undefined ? null : document.getElementById(id)?.querySelector("rect");
      if (!rect) continue;
      const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => rect[name].baseVal.value);
      const box = boxOf(corners(owner.getScreenCTM(), x, y, width, height));
      clip = {
        left: Math.max(clip.left, box.left),
        top: Math.max(clip.top, box.top),
        right: Math.min(clip.right, box.right),
        bottom: Math.min(clip.bottom, box.bottom),
      };
    }
    return clip;
  };

  const isVisible = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    getComputedStyle(element).fillOpacity !== "0";

  /** The ink of the characters `first` to `last` of a text that stand on one line in one font. */
  const ink = (text, parent, characters, first, last) => {
    const { fontStyle, fontWeight, fontSize, fontFamily } = getComputedStyle(parent);
    // measured at 100 times the size: Chromium rounds the ink of small text to whole pixels
    canvas.font = `${fontStyle} ${fontWeight} ${100 * parseFloat(fontSize)}px ${fontFamily}`;
    const { actualBoundingBoxAscent, actualBoundingBoxDescent } = canvas.measureText(characters);
    const [above, below] = [actualBoundingBoxAscent / 100, actualBoundingBoxDescent / 100];
    const [start, end] = [text.getStartPositionOfChar(first), text.getEndPositionOfChar(last)];
    return {
      size: parseFloat(fontSize),
      corners: corners(text.getScreenCTM(), start.x, start.y - above, end.x - start.x, above + below),
    };
  };

  /** The pieces of a text: one for each of its text nodes that shows something. */
  const pieces = (text) => {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    const found = [];
    let at = 0;
    while (walker.nextNode()) {
      const { data, length, parentElement } = walker.currentNode;
      const shown = data.trim().replace(/^\u200b+|\u200b+$/g, "");
      if (shown !== "" && isVisible(parentElement)) {
        const first = at + data.indexOf(shown);
        found.push({
          ...ink(text, parentElement, shown, first, first + shown.length - 1),
          script: /font-size:\s*70%/.test(parentElement.getAttribute("style") ?? ""),
        });
      }
      at += length;
    }
    return found;
  };

  /** What a text is in Plotly's drawing, and for a tick label its axis. */
  const roleOf = (text) => {
    const classes = (element) => [...element.classList];
    for (let owner = text; owner !== svg; owner = owner.parentElement) {
      for (const name of classes(owner)) {
        if (/^[xy].*tick$/.test(name)) return { role: "tick label", axis: name.slice(0, -4) };
        if (/^legend\d*text$/.test(name)) return { role: "legend entry", axis: null };
        if (/^legend\d*titletext$/.test(name)) return { role: "legend title", axis: null };
        if (/^[xy].*title$/.test(name)) return { role: "axis title", axis: null };
        if (name === "annotation-text") return { role: "annotation", axis: null };
      }
    }
    return { role: "text", axis: null };
  };

  const subplotOf = (element) => element.closest(".cartesianlayer > .subplot")?.classList[1] ?? "";

  /** Box of a path with its stroke. */
  const strokedBox = (path) => {
    const { x, y, width, height } = path.getBBox();
    const style = getComputedStyle(path);
    const half = style.stroke === "none" || style.strokeOpacity === "0" ? 0 : parseFloat(style.strokeWidth) / 2;
    return boxOf(corners(path.getScreenCTM(), x - half, y - half, width + 2 * half, height + 2 * half));
  };

  const marks = [
    ["marker", ".scatterlayer .points path.point, .boxlayer path.point"],
    ["error bar", ".errorbars path.xerror, .errorbars path.yerror"],
    ["box", ".boxlayer path.box, .boxlayer path.mean"],
  ].flatMap(([kind, selector]) =>
    all(selector)
      .filter((path) => path.getAttribute("d"))
      .map((path) => {
        const hidden = getComputedStyle(path).display === "none";
        return { kind, panel: subplotOf(path), hidden, box: hidden ? null : strokedBox(path), clip: clipOf(path) };
      }),
  );

  /** A marker's outline at size 1, the same for all markers of one symbol. */
  const outline = (path) => {
    const d = path.getAttribute("d");
    const size = Math.max(...d.match(/\d+(\.\d+)?/g).map(Number));
    return d.replace(/\d+(\.\d+)?/g, (number) => (number / size).toFixed(1));
  };

  const colorOf = (path) => {
    const { stroke, fill } = getComputedStyle(path);
    return fill === "none" || fill === "rgb(255, 255, 255)" ? stroke : fill;
  };

  /** Traces whose points have colors of their own, which show a quantity and do not tell series apart. */
  const colored = all(".scatterlayer .trace").filter(
    (trace) => new Set(all(".points path.point", trace).map(colorOf)).size > 1,
  );

  /** What tells the series of a panel apart: colors of lines, markers and boxes, dashes of lines, outlines of markers. */
  const styles = [
    ["line", ".scatterlayer .lines path.js-line"],
    ["marker", ".scatterlayer .points path.point"],
    ["box", ".boxlayer path.box"],
  ].flatMap(([kind, selector]) =>
    all(selector)
      .filter((path) => path.getAttribute("d") && isVisible(path))
      .filter((path) => kind !== "marker" || !colored.includes(path.closest(".trace")))
      .map((path) => {
        const color = colorOf(path);
        const { fill, strokeDasharray } = getComputedStyle(path);
        const form = kind === "line" ? strokeDasharray : kind === "marker" ? `${outline(path)} ${color === fill}` : "";
        return { panel: subplotOf(path), kind, color, form };
      }),
  );

  const legends = all(".infolayer > g")
    .filter((group) => /^legend\d*$/.test(group.classList[0] ?? ""))
    .map((legend) =>
      all(".groups", legend).map((group) =>
        all("g.traces", group).map((entry) => {
          const { e: x, f: y } = entry.getScreenCTM();
          return { text: entry.querySelector("text")?.textContent ?? "", x, y };
        }),
      ),
    );

  const texts = all("text")
    .filter(isVisible)
    .map((text) => ({ text: text.textContent.replaceAll("\u200b", ""), ...roleOf(text), pieces: pieces(text), clip: clipOf(text) }))
    .filter((text) => text.pieces.length > 0);

  return { page, texts, marks, legends, styles };
};
