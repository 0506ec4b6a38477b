import { truthfulQaChoice, truthfulQaGeneration } from "../formats/truthfulqa";
import { splits } from "../task";

const choices = (targets: "mc1" | "mc2") => ({
  targets, name: `truthfulqa_${targets}`, shots: 0,
  // one file serves both
  data: splits([`truthfulqa_${targets}`, "truthfulqa_mc2", "truthfulqa_mc1", "truthfulqa_mc"], { items: ["validation"], shots: "validation" }),
});

export const truthfulQaMc1 = truthfulQaChoice({ ...choices("mc1"), harness: "0.4.13", version: "2.0" });
export const truthfulQaMc2 = truthfulQaChoice({ ...choices("mc2"), harness: "0.4.13", version: "3.0" });

const paper = (targets: "mc1" | "mc2") => {
  const about = choices(targets);
  return truthfulQaChoice({ ...about, name: `${about.name}@b281b09`, harness: "b281b09", version: "1", data: { ...about.data, dropsItself: false } });
};
export const truthfulQaMc1InPaper = paper("mc1");
export const truthfulQaMc2InPaper = paper("mc2");

export const truthfulQaGen = truthfulQaGeneration({
  name: "truthfulqa_gen", harness: "0.4.13", version: "3.0", shots: 0,
  data: splits("truthfulqa_gen", { items: ["validation"], shots: "validation" }),
});
