import { piqa as format } from "../formats/piqa";
import { splits } from "../task";

export const piqa = format({
  name: "piqa", version: "1.0", harness: "0.4.13", shots: 0,
  data: splits("piqa", { items: ["validation"], shots: "train" }),
});
