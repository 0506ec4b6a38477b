// Draws the figures of a report as they are scrolled into view, and its views.
(() => {
  /** @param {string} id of a block of data */
  const textOf = (id) => document.getElementById(id).textContent;

  /** Unpacks a library and runs it, once. The page's policy allows it by its digest. */
  const started = new Map();
  const library = (id) => {
    if (!started.has(id)) started.set(id, unpacked(textOf(id)).then(run));
    return started.get(id);
  };
  const unpacked = (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const run = (source) => {
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
  };

  const explain = (element, error) => {
    element.textContent = `This cannot be drawn here: ${error.message}`;
    element.style.minHeight = "0";
  };

  const drawFigure = (element) => {
    if (element.dataset.drawn) return;
    element.dataset.drawn = "true";
    const { data, layout } = JSON.parse(textOf(element.dataset.figure));
    globalThis.Plotly.newPlot(element, data, layout, { displaylogo: false }).catch((error) => explain(element, error));
  };
  const figures = [...document.querySelectorAll("[data-figure]")];
  const drawAll = () => figures.forEach(drawFigure);

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        library("plotly-library").then(
          () => document.fonts.ready.then(() => drawFigure(target)),
          (error) => explain(target, error),
        );
      }
    },
    { rootMargin: "600px" },
  );
  for (const element of figures) watcher.observe(element);
  // Paper has no scrolling: everything is drawn before the page is printed.
  addEventListener("beforeprint", () => globalThis.Plotly && drawAll());

  for (const element of document.querySelectorAll("[data-view]")) {
    library("views-library")
      .then(() => globalThis.promptlossViews[element.dataset.view](element, JSON.parse(textOf(element.dataset.from))))
      .catch((error) => explain(element, error));
  }
  // The library is at hand when the first figure comes into view, or the page is printed.
  addEventListener("load", () => setTimeout(() => library("plotly-library").catch(() => {}), 500));
})();
