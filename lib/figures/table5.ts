import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import { DATASETS, MODELS } from "../data/catalogue";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Table 5, licenses: of the data and models in the catalogue, as the paper gives them and as their makers state them.
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
    frame: new DataFrame(
      rows.map(({ resource, application, paper, stated }) => ({
        Resource: resource,
        Application: application,
        "License (paper)": paper ?? "not listed",
        "License (makers)": stated ?? "none stated",
      })),
    ),
    rows,
    caption:
      "Licenses of the paper's data and models, as its Table 5 gives them and as their makers state them. If the two " +
      "differ, the column note of the CSV file says how.",
  };
}
