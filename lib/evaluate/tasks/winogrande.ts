import { winogrande as format } from "../formats/winogrande";
import { splits } from "../task";

export const winogrande = format({
  name: "winogrande", version: "1.0", harness: "0.4.13", shots: 5,
  data: splits("winogrande", { items: ["validation"], shots: "train" }),
});
