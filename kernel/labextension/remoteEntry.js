// A JupyterLab extension that draws outputs of the MIME type `application/vnd.promptloss.view+json`. Written by hand in
// the form of a prebuilt extension (a module federation container), so that nothing has to be built. setup.mjs installs
// it together with views.js and views.css, the concatenated files of lib/page/browser/files.json.
(() => {
  const MIME = "application/vnd.promptloss.view+json";
  const folder = new URL(".", document.currentScript.src).href;
  let shared;
  let loaded;

  /** Loads scripts and styles, once, when the first view is drawn. */
  const views = () => (loaded ??= Promise.all([load("link", "views.css"), load("script", "views.js")]));

  function load(tag, name) {
    return new Promise((resolve, reject) => {
      const element = document.createElement(tag);
      if (tag === "link") Object.assign(element, { rel: "stylesheet", href: folder + name });
      else Object.assign(element, { src: folder + name });
      element.onload = resolve;
      element.onerror = () => reject(new Error(`cannot load ${name}; run node setup.mjs, then reload this page`));
      document.head.append(element);
    });
  }

  /** Returns JupyterLab's own copy of a package that extensions share. */
  async function sharedModule(name) {
    const copies = Object.values(shared[name]);
    const copy = copies.find(({ loaded }) => loaded) ?? copies[0];
    return (await copy.get())();
  }

  async function mimeExtension() {
    const { Widget } = await sharedModule("@lumino/widgets");

    class ViewWidget extends Widget {
      constructor() {
        super();
        this.addClass("promptloss-view");
        // A key that is pressed in a view is no command to the notebook, such as "d d", which deletes the cell.
        this.node.addEventListener("keydown", (event) => {
          if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
        });
      }

      renderModel(model) {
        this.view = model.data[MIME];
        return this.isAttached ? this.draw() : Promise.resolve();
      }

      onAfterAttach() {
        void this.draw();
      }

      /** Draws the view if it is not drawn yet; sizes are known only when the widget is part of the page. */
      async draw() {
        const { view } = this;
        if (view === undefined || view === this.drawn) return;
        this.drawn = view;
        try {
          await views();
          if (view !== this.view) return; // replaced meanwhile
          this.node.textContent = "";
          const draw = globalThis.promptlossViews?.[view.view];
          if (!draw) throw new Error(`there is no view named "${view.view}"`);
          draw(this.node, view.data);
        } catch (error) {
          this.node.textContent = `Cannot draw this view: ${error.message}`;
        }
      }
    }

    const rendererFactory = {
      safe: true, // the scripts write text from data as text only
      mimeTypes: [MIME],
      createRenderer: () => new ViewWidget(),
    };
    return { __esModule: true, default: { id: "promptloss-views:view", rendererFactory, rank: 0, dataType: "json" } };
  }

  (globalThis._JUPYTERLAB ??= {})["promptloss-views"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async (name) => {
      const module = name === "./style" ? await load("link", "style.css") : await mimeExtension();
      return () => module;
    },
  };
})();
