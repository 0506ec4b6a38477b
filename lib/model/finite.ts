import { NotFiniteError } from "../data/errors";
import type { Decoder } from "./llama";

/** Whether no value is NaN or infinite. A plain loop: `every` takes five times as long for a large vocabulary. */
export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/** Returns the name of the first parameter that holds NaN or infinity; undefined if every parameter is finite. */
export function damagedParameter(model: Decoder): string | undefined {
  for (const [name, { data }] of model.parameterValues()) {
    if (!allFinite(data)) return name;
  }
  return undefined;
}

/**
 * Creates the error for an output of a model that is NaN or infinite. It names the model and the damaged parameter.
 *
 * @param output what was computed, for example "the log-likelihood"
 * @param input index of the item or prompt that it was computed for; default: all of those given
 */
export function notFiniteOutput(model: Decoder, output: string, input?: number): NotFiniteError {
  const damaged = damagedParameter(model);
  const cause = damaged
    ? `its tensor "${damaged}" holds NaN or infinity`
    : "all of its tensors are finite, so the computation overflows float32";
  return new NotFiniteError(
    `${model.source ?? "the model"}: ${output} is not finite: ${cause}. Use an undamaged copy of the model.`,
    input,
  );
}
