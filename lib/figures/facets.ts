// Facets: a figure of several arms has one block of the same panels per arm, one below the other.
import { armFactors, armsOf, type Arm, type ArmFactors } from "../analysis/arms";
import { PIXELS_PER_INCH, type Layout } from "./figure";
import { panelGrid, panelWidth, type Panel, type PanelGrid } from "./panels";
import { lettered, panelTitle, plwLabels } from "./theme";

/** The panels of one arm. */
export interface Facet<P> {
  /** title above the panels; empty if there is a single arm */
  name: string;
  /** columns of the plotted rows; null if unknown */
  factors: { normalizer: string | null; completionWeight?: number; partWeights?: string; variant: string | null };
  panels: P[];
}

/** Height of a printed page: panels of taller figures are made smaller, but not smaller than `LOWEST_PANEL`. */
const PAGE_HEIGHT = 9 * PIXELS_PER_INCH;
const LOWEST_PANEL = 110;
/** Space for the name of a facet. */
const FACET_NAME = 32;
/** Least space between two facets without the name: panel titles below, and tick labels above if they are of one line. */
const FACET_GAP = { titles: 34, labels: 26 };
/** Space of the title below the tick labels of a horizontal axis. */
export const AXIS_TITLE = 32;
/** Height of a panel title of one line, and of each further line. */
const TITLE_LINE = { first: 25, further: 20 };

/**
 * Makes the panels of every arm of the rows.
 *
 * @param panelsOf makes the same panels for every arm, empty ones if the arm has no rows for them, and gets the arm's
 *   index too; called once without rows if there are none
 */
export function facetsOf<T extends ArmFactors, P>(
  rows: readonly T[],
  panelsOf: (rows: readonly T[], arm: number) => P[],
): Facet<P>[] {
  const arms: readonly Arm<T>[] = rows.length > 0 ? armsOf(rows) : [{ name: "", rows: [] }];
  return arms.map((arm, a) => ({ name: arm.name, factors: armColumns(arm), panels: panelsOf(arm.rows, a) }));
}

/** Adds letters to the titles of all panels, which run through all facets. A single panel gets no letter. */
export function letteredFacets<P extends { title: string }>(facets: readonly Facet<P>[]): Facet<P>[] {
  const total = facets.reduce((sum, { panels }) => sum + panels.length, 0);
  return facets.map((facet, f) => ({
    ...facet,
    panels: facet.panels.map((panel, i) => ({
      ...panel,
      title: lettered(panel.title, f * facet.panels.length + i, total),
    })),
  }));
}

/** Columns of panels in a figure with one panel per arm: at most three, without an empty place if possible. */
export function armPanelColumns(arms: number): number {
  return arms === 4 ? 2 : Math.min(Math.max(1, arms), 3);
}

/** The columns of plotted rows that name the arm; null if unknown. */
export function armColumns(row: ArmFactors): Facet<never>["factors"] {
  const { normalizer = null, variant = null, ...weights } = armFactors(row);
  return { normalizer, ...weights, variant };
}

/** Settings of {@link facetGrid}: those of `panelGrid`, but with a height per panel. */
export type FacetGrid = Omit<PanelGrid, "height" | "facets" | "facetGap"> & {
  /** names of the facets; "" for a figure of a single arm */
  facets: readonly string[];
  /** height of a panel in pixels, less if the figure would be taller than a page */
  panelHeight: number;
  /** lines of the panel titles, default 1; margin and gap have space for one */
  titleLines?: number;
  /** PLWs on the horizontal axes; the margin below, and the space between facets, then hold their labels and title */
  plws?: readonly number[];
  /** pixels at the right end of the horizontal axes that their labels leave free; default 0 */
  right?: number;
};

/**
 * Divides a figure into facets, each with the same grid of panels below its name.
 *
 * @returns `grid`: the panels, facet by facet; `height` of the figure in pixels; `margin`, with space for the first
 *   name; `titles`: the names, elements of `layout.annotations`
 */
export function facetGrid(settings: FacetGrid): {
  grid: Panel[];
  height: number;
  margin: PanelGrid["margin"];
  titles: Layout[];
} {
  const { facets, panelHeight, count, columns, width, titleLines = 1, plws, right } = settings;
  const furtherLines = (titleLines - 1) * TITLE_LINE.further;
  const named = facets.some((name) => name !== "");
  const labels = plws ? plwLabels(plws, panelWidth(settings), right).height : FACET_GAP.labels;
  const margin = {
    ...settings.margin,
    t: settings.margin.t + furtherLines + (named ? FACET_NAME : 0),
    ...(plws && { b: labels + AXIS_TITLE }),
  };
  const gap = { ...settings.gap, y: settings.gap.y + furtherLines };
  const facetGap = Math.max(0, FACET_GAP.titles + labels + furtherLines - gap.y) + (named ? FACET_NAME : 0);
  const rows = Math.max(1, facets.length * Math.ceil(count / Math.min(columns, count)) || 0);
  const between = (rows - 1) * gap.y + (facets.length - 1) * facetGap;
  const fitting = Math.floor((PAGE_HEIGHT - margin.t - margin.b - between) / rows);
  const lowest = Math.min(panelHeight, LOWEST_PANEL);
  const height = Math.round(margin.t + margin.b + rows * Math.min(panelHeight, Math.max(lowest, fitting)) + between);
  const grid = panelGrid({ count, columns, width, height, margin, gap, facets: facets.length, facetGap });
  const titles = facets.flatMap((name, f): Layout[] =>
    name === "" || count === 0
      ? []
      : [
          {
            ...panelTitle(name, 0, grid[f * count].top),
            xanchor: "left",
            xshift: 8 - margin.l,
            yshift: TITLE_LINE.first + furtherLines + 3,
          },
        ],
  );
  return { grid, height, margin, titles };
}
