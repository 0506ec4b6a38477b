// JSON as text that can say what a JSON value cannot: keys twice, numbers of any size, halves of surrogate pairs.

/** A JSON text taken apart. `raw` holds the text of a number, string, true, false, null, or of anything at all. */
export type JsonNode = { members: [string, JsonNode][] } | { items: JsonNode[] } | { raw: string };

/** A place in a tree that holds a node. */
export interface Slot {
  key: string | number;
  parent: { members: [string, JsonNode][] } | { items: JsonNode[] };
}

/** Takes a JSON value apart. */
export function nodeOf(value: unknown): JsonNode {
  if (Array.isArray(value)) return { items: value.map(nodeOf) };
  if (typeof value === "object" && value !== null)
    return { members: Object.entries(value).map(([key, inner]) => [key, nodeOf(inner)]) };
  return { raw: JSON.stringify(value) };
}

/** The text of a node; strings keep halves of surrogate pairs as escapes. */
export function textOf(node: JsonNode): string {
  if ("raw" in node) return node.raw;
  if ("items" in node) return `[${node.items.map(textOf).join(",")}]`;
  return `{${node.members.map(([key, inner]) => `${JSON.stringify(key)}:${textOf(inner)}`).join(",")}}`;
}

/**
 * Lists the places below a node. Of a long list or object only every n-th entry counts, so that the few settings of a
 * tokenizer are changed as often as its thousand tokens.
 */
export function slotsOf(node: JsonNode): Slot[] {
  if ("raw" in node) return [];
  const children = "items" in node ? node.items : node.members.map(([, inner]) => inner);
  const every = Math.ceil(children.length / 40);
  return children.flatMap((child, i) => (i % every ? [] : [{ parent: node, key: i }, ...slotsOf(child)]));
}

/** The node in a slot. */
export function at({ parent, key }: Slot): JsonNode {
  return "items" in parent ? parent.items[Number(key)] : parent.members[Number(key)][1];
}

/** Puts a node into a slot. */
export function put({ parent, key }: Slot, node: JsonNode): void {
  if ("items" in parent) parent.items[Number(key)] = node;
  else parent.members[Number(key)][1] = node;
}

/**
 * Keys that stand twice in one object of a JSON text, as paths such as "a.b"; the text must be JSON. Written without the
 * product's parsers, and without recursion.
 */
export function repeatedKeys(text: string): string[] {
  const repeated: string[] = [];
  const open: { keys?: Set<string>; key: string }[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  let expectsKey = false;
  for (let match = tokens.exec(text); match; match = tokens.exec(text)) {
    const [token] = match;
    const top = open.at(-1);
    if (token === "{") open.push({ keys: new Set(), key: "" });
    else if (token === "[") open.push({ key: "" });
    else if (token === "}" || token === "]") open.pop();
    else if (token.startsWith('"') && expectsKey && top?.keys) {
      top.key = JSON.parse(token) as string;
      if (top.keys.has(top.key)) repeated.push(open.map(({ key }) => key).join("."));
      top.keys.add(top.key);
    }
    expectsKey = token === "{" || (token === "," && open.at(-1)?.keys !== undefined);
  }
  return repeated;
}

/** Decodes UTF-8 strictly, without byte order mark; undefined if the bytes are something else. */
export function strictText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Depth of the JSON that the product reads. */
const MAX_DEPTH = 500;

function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    if (token === "]" || token === "}") depth--;
  }
  return deepest;
}

/** The value of a JSON file; absent if it is not JSON in UTF-8, or nested too deeply. */
export function strictJson(bytes: Uint8Array): { value?: unknown; text: string } {
  const text = strictText(bytes);
  if (text === undefined) return { text: "" };
  try {
    const value: unknown = JSON.parse(text);
    return depthOf(text) > MAX_DEPTH ? { text } : { value, text };
  } catch {
    return { text };
  }
}
