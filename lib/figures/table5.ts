import { dataFrame } from "./data-frame";
import { DATASETS, MODELS } from "../data/catalogue";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Builds Table 5, the licenses of the data sets and models in the catalogue, as listed in the paper and as stated by
 * their authors.
 */
export function table5(): Table {
  const rows = [
    ...DATASETS.map(({ name, kind, repository, license }): Row => ({
      resource: name,
      application: kind === "instructions" ? "training data" : "evaluation",
      repository,
      ...license,
      note: license.note ?? null,
    })),
    ...MODELS.map(({ name, repository, license }): Row => ({
      resource: name,
      application: name.startsWith("Mixtral") ? "judge" : "initial weights",
      repository,
      ...license,
      note: license.note ?? null,
    })),
  ];
  return {
    name: "table5",
    frame: dataFrame(
      rows.map(({ resource, application, paper, stated }) => ({
        Resource: resource,
        Application: application,
        "License (paper)": paper ?? "not listed",
        "License (makers)": stated ?? "none stated",
      })),
    ),
    rows,
    caption:
      "Licenses of data sets and models, as listed in Table 5 of the paper and as stated by their authors. If " +
      "these differ, the column note of the CSV file describes the difference.",
  };
}
