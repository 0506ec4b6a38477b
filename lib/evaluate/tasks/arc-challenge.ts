import { arc } from "./arc";
import { splits } from "../task";

export const arcChallenge = arc({
  name: "arc_challenge", version: "1.0", harness: "0.4.13", shots: 25,
  data: splits("arc_challenge", { items: ["test"], shots: "train", hasTest: true }),
});
