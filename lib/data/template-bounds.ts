import { Interpreter, type Environment } from "@huggingface/jinja";

type Value = ReturnType<Environment["set"]>;
/** What is read of a node of the syntax tree; a part of a slice that is not given has none. */
type Node = (NonNullable<Parameters<Interpreter["evaluate"]>[0]> & { object?: Node; property?: Node }) | undefined;

/** Steps that a round of a loop takes beside those of its body, in proportion to its time. */
const ROUND = 10;
/** The deepest calls within each other. */
const MAX_CALLS = 200;

/**
 * Renders a parsed template that may come from anywhere, within bounds that grow with the size s of the variables that
 * it is given. The size of a text is its number of characters, that of a list or mapping the sum over its items, keys
 * and 8 for each: a list with another in it twice counts that one twice. No text, list or mapping has more than the
 * size 10⁶ + 20 s, and rendering takes at most 2·10⁶ + 200 s steps: 1 for each statement or expression that is
 * evaluated, one for each 16 of the size of its value, and 10 for each round of a loop. What a single function or
 * filter makes is first bounded by V8's longest string (2²⁹ characters). Calls are at most 200 deep.
 *
 * All values are the library's own, which finds attributes in maps: a template does not reach `constructor` or
 * `__proto__` of an object of JavaScript.
 */
export class BoundedInterpreter extends Interpreter {
  private maxSize = 1e6;
  private maxSteps = 2e6;
  private steps = 0;
  /** calls that have not returned */
  private calls = 0;
  /** the given variables, until a bound needs their size */
  private given: Value[] = [];
  /** the node whose evaluation began last: the parent of one that is its first */
  private begun: Node;
  private readonly sizes = new Map<Value, number>();
  /** whether what is measured has a namespace in it, which can grow */
  private growing = false;

  /** @throws {Error} if the template exceeds a bound, or fails */
  override run(program: Parameters<Interpreter["run"]>[0]): Value {
    this.given = [...this.global.variables.values()];
    return super.run(program);
  }

  override evaluate(node: Node, environment: Environment): Value {
    const parent = this.begun;
    this.begun = node;
    const value = isCall(node) ? this.call(node, environment) : super.evaluate(node, environment);
    this.steps++;
    const held: unknown = value?.value;
    if (typeof held === "string") {
      this.checkSize(held.length);
      this.steps += held.length / 16;
    } else if (isContainer(held) && !isLookedInto(node, parent)) {
      this.steps += this.sizeToKeep(value) / 16;
      if (parent?.type === "For") this.steps += ROUND * (held instanceof Map ? held.size : held.length);
    }
    if (this.steps > this.maxSteps) this.widen();
    if (this.steps > this.maxSteps) throw new Error(`it takes more than ${this.maxSteps} steps`);
    return value;
  }

  private call(node: Node, environment: Environment): Value {
    if (this.calls === MAX_CALLS) throw new Error(`it calls macros within each other, more than ${MAX_CALLS} deep`);
    this.calls++;
    try {
      return super.evaluate(node, environment);
    } finally {
      this.calls--;
    }
  }

  private sizeToKeep(value: Value): number {
    this.growing = false;
    const size = this.sizeOf(value);
    if (!this.growing && size > 64) this.sizes.set(value, size);
    return size;
  }

  private sizeOf(value: Value): number {
    const held: unknown = value.value;
    if (typeof held === "string") return held.length;
    if (!isContainer(held)) return 0;
    const known = this.sizes.get(value);
    if (known !== undefined) return known;
    this.growing ||= value.type === "NamespaceValue";
    let size = 0;
    if (held instanceof Map) for (const key of held.keys()) size += key.length;
    for (const item of held.values()) {
      size += 8 + this.sizeOf(item);
      this.checkSize(size);
    }
    return size;
  }

  private checkSize(size: number): void {
    if (size > this.maxSize) this.widen();
    if (size > this.maxSize) throw new Error(`it makes a text or list of a size of more than ${this.maxSize}`);
  }

  /** Adds to the bounds what the given variables allow. */
  private widen(): void {
    const { maxSize } = this;
    this.maxSize = Infinity;
    const size = this.given.splice(0).reduce((sum, value) => sum + this.sizeOf(value), 0);
    this.maxSize = maxSize + 20 * size;
    this.maxSteps += 200 * size;
  }
}

type Container = Value[] | Map<string, Value>;
const isContainer = (held: unknown): held is Container => Array.isArray(held) || held instanceof Map;

const isCall = (node: Node): boolean => node?.type === "CallExpression" || node?.type === "CallStatement";

/** Whether of a node's value only an attribute or item is looked up. */
const isLookedInto = (node: Node, parent: Node): boolean =>
  parent?.type === "MemberExpression" && parent.object === node && parent.property?.type !== "SliceExpression";
