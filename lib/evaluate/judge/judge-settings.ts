// Settings of a judge model as plain data, for study files and worker processes.
import * as v from "valibot";
import { isObject, objectOf, pathItem, rule, text, wholeNumber } from "../../data/validate";
import type { Judge } from "./judge";
import { openAiJudge } from "./judge-openai";
import type { JudgePrompt } from "./judge-prompts";

/**
 * A judge model behind an OpenAI-compatible endpoint, as plain data. It has no API key, which is read from the
 * environment variable `PROMPTLOSS_JUDGE_KEY` wherever the judge is used, and sent to this URL.
 */
export interface JudgeSettings {
  /** base URL, http or https, to which `/chat/completions` is appended */
  url: string;
  model: string;
  /** number of concurrent questions; default 4 */
  concurrency?: number;
  /** default: unlimited, except by the server */
  requestsPerMinute?: number;
  /** time limit of one request; default 120 */
  timeoutSeconds?: number;
  /**
   * maximum number of times a question is asked until its answer can be parsed; default 3. A model that answers a
   * question always in the same way needs only 1
   */
  attempts?: number;
  /**
   * additional fields of the request, or other values of `temperature` (default 0) and `max_tokens` (default: the
   * prompt's); null removes a field
   */
  parameters?: Record<string, unknown>;
  /** price per million tokens, in any currency; without it no cost is reported */
  price?: { prompt: number; completion: number };
}

const KEY_ADVICE =
  "is not read from files, where it would be copied and shared; set the environment variable PROMPTLOSS_JUDGE_KEY";

/** Names that people give to secrets; case, "-" and "_" do not matter. */
const SECRETS = ["key", "apikey", "token", "apitoken", "accesstoken", "authorization", "bearer", "password", "secret"];

const isSecret = (name: string): boolean => SECRETS.includes(name.toLowerCase().replace(/[-_]/g, ""));

/** Fields of a request that the judge's prompt and settings determine. */
const FIXED_PARAMETERS = ["model", "messages", "stream"];

/** What is wrong with a judge's URL; the text never repeats it, since it may contain a password. */
function urlProblem(value: unknown): string | undefined {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol)) return "must be a URL like https://host/v1";
  const carriesSecret = url.username !== "" || url.password !== "" || [...url.searchParams.keys()].some(isSecret);
  return carriesSecret ? `must not contain a key or password, which ${KEY_ADVICE}` : undefined;
}

const judgeUrl = v.custom<string>(
  (value) => urlProblem(value) === undefined,
  ({ input }) => urlProblem(input)!,
);

const positive = (unit: string, most: number): v.GenericSchema<number> =>
  rule(
    `a number of ${unit} above 0, at most ${most}`,
    (value) => typeof value === "number" && value > 0 && value <= most,
  );

const priceOfTokens = rule<number>(
  "a number of at least 0",
  (value) => typeof value === "number" && Number.isFinite(value) && value >= 0,
);

/** Reports secrets by name, never by value; `schema` checks an object without any. */
const withoutSecrets = <T>(schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T> =>
  v.pipe(
    v.unknown(),
    v.rawCheck(({ dataset, addIssue }) => {
      const given = isObject(dataset.value) ? dataset.value : {};
      for (const name of Object.keys(given).filter(isSecret)) {
        addIssue({ message: KEY_ADVICE, path: [pathItem(given, name)] });
      }
    }),
    schema,
  );

const parameters: v.GenericSchema<unknown, Record<string, unknown>> = v.pipe(
  rule<Record<string, unknown>>("an object of fields of the request", isObject),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!isObject(dataset.value)) return;
    for (const name of FIXED_PARAMETERS.filter((fixed) => Object.hasOwn(dataset.value as object, fixed))) {
      addIssue({ message: "cannot be set here", path: [pathItem(dataset.value, name)] });
    }
  }),
);

/** Schema of a judge's settings; a field for the API key is refused with advice. */
export const judgeSettingsSchema: v.GenericSchema<unknown, JudgeSettings> = withoutSecrets(
  objectOf({
    url: judgeUrl,
    model: text,
    concurrency: v.optional(wholeNumber(1)),
    requestsPerMinute: v.optional(positive("requests", 1e6)),
    timeoutSeconds: v.optional(positive("seconds", 86_400)),
    attempts: v.optional(wholeNumber(1)),
    parameters: v.optional(withoutSecrets(parameters)),
    price: v.optional(objectOf({ prompt: priceOfTokens, completion: priceOfTokens })),
  }),
);

/**
 * Creates the judge that settings describe; its key is that of the environment variable `PROMPTLOSS_JUDGE_KEY`.
 * @throws {EvaluationError} if the URL is invalid
 */
export function judgeFrom(settings: JudgeSettings, prompt: JudgePrompt): Judge {
  const parameters = Object.entries(settings.parameters ?? {}).map(([name, value]) => [name, value ?? undefined]);
  return openAiJudge({ ...settings, parameters: Object.fromEntries(parameters) as Record<string, unknown>, prompt });
}
