import type { StudyResults } from "../analysis/study-results";
import { claimsTable } from "./claims-table";
import type { Figure } from "./figure";
import { figure1 } from "./figure1";
import { figure2a } from "./figure2a";
import { figure2b } from "./figure2b";
import { figure2bParts } from "./figure2b-parts";
import { figure2c } from "./figure2c";
import { figure2d } from "./figure2d";
import { figure4 } from "./figure4";
import { figure5 } from "./figure5";
import { figure6 } from "./figure6";
import { figure3, figure7, figure8, figure9 } from "./ratio-contour";
import { studyLook } from "./theme";
import type { Table } from "./table";
import { table1 } from "./table1";
import { table2 } from "./table2";
import { table3 } from "./table3";
import { table4 } from "./table4";
import { table5 } from "./table5";

/**
 * Draws every figure of the paper from the results of a study, in the current theme (see `useTheme`). Figures 3, 7, 8
 * and 9 are omitted if their models could not be fitted, for example because the study has too few data sets.
 *
 * @returns in the paper's order
 */
export function studyFigures(results: StudyResults): Figure[] {
  const { study, rows, stability, distances, distanceParts, memorization, generationLengths, ratioFits } = results;
  const look = studyLook(study);
  const fitted = (group: string) => ratioFits.filter((ratioFit) => ratioFit.group === group && ratioFit.fit !== null);
  return [
    figure1(rows, { look }),
    figure2a(stability, { look }),
    figure2b(distances, { look }),
    figure2bParts(distanceParts, { look }),
    figure2c(memorization, { look }),
    figure2d(generationLengths, { look }),
    ...fitted("All").map(figure3),
    figure4(rows, { look }),
    figure5(rows, { look }),
    figure6(rows, { look }),
    ...fitted("All").map(figure7),
    ...fitted("MC").map(figure8),
    ...fitted("Gen").map(figure9),
  ];
}

/** Builds every table of the paper and the table of the claims of section 5.1 from the results of a study. */
export function studyTables({ datasets, tests, ratioFits, claims }: StudyResults): Table[] {
  return [table1(datasets), table2(), table3(tests), table4(ratioFits), table5(), claimsTable(claims)];
}
