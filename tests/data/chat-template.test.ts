// What a chat template from anywhere may do: it reaches nothing but its values, and is stopped where it takes too much.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderChat } from "../../lib/data/chat-template";
import { DataError } from "../../lib/data/errors";
import type { Message } from "../../lib/data/message";

const hello: Message[] = [{ role: "user", content: "Hello" }];
const render = (jinja: string, messages = hello, more?: { tools?: unknown[] }): string =>
  renderChat({ name: "a stranger's", jinja, specialTokens: {} }, messages, more);

const namespace = (value: string, rounds: number, next: string): string =>
  `{% set ns = namespace(x=${value}) %}{% for i in range(${rounds}) %}{% set ns.x = ${next} %}{% endfor %}`;
const half = namespace("'ab'", 18, "ns.x ~ ns.x");
const refusals: [what: string, jinja: string, refusal: RegExp][] = [
  ["a long range", "{% for i in range(10 ** 10) %}x{% endfor %}", /range of 10000000000 numbers is too long: 100000/],
  ["a range one too long", "{{ range(-1, 100000) | length }}", /range of 100001 numbers is too long/],
  ["a range back", "{{ range(0, -(10 ** 10), -1) | length }}", /range of 10000000000 numbers is too long/],
  ["a step of 0", "{{ range(1, 2, 0) }}", /range\(\) takes no step of 0/],
  ["a range of a text", "{{ range('3') }}", /range\(\) takes whole numbers/],
  ["loops in loops", "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", /steps/],
  [
    "a loop of a kept list",
    "{% set r = range(9999) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}",
    /steps/,
  ],
  ["long output", "{% for i in range(60000) %}{{ 'a text, written over and over' }}{% endfor %}", /text or list/],
  ["a doubled text", namespace("'ab'", 40, "ns.x ~ ns.x") + "{{ ns.x }}", /text or list/],
  ["a doubled list", namespace("[1]", 40, "ns.x + ns.x") + "{{ ns.x | length }}", /text or list/],
  ["a list of lists twice", namespace("[]", 40, "[ns.x, ns.x]") + "{{ ns.x | tojson }}", /text or list/],
  [
    "a namespace that grows within a list",
    "{% set ns = namespace(x=1) %}{% set l = [ns] %}" +
      "{% set l = [l, l] %}".repeat(13) +
      "{% set ns.x = range(9999) %}{{ l }}",
    /text or list/,
  ],
  ["a namespace within itself", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", /call stack/],
  [
    "arguments twice",
    "{% macro f() %}{% set ns.x = varargs %}{% endmacro %}" +
      namespace("[]", 40, "ns.x").replace("{% set ns.x = ns.x %}", "{{ f(ns.x, ns.x) }}") +
      "{{ ns.x }}",
    /text or list/,
  ],
  ["replacing by itself", half + "{{ ns.x.replace('a', ns.x) }}", /string length/],
  ["a long separator", half + "{{ range(9999) | join(ns.x) }}", /string length/],
  ["a wide indent", "{{ [[1]] | tojson(indent=500000000) }}", /string length|text or list/],
  ["copies of a long text", half + "{% for i in range(99999) %}{% set a = ns.x.upper() %}{% endfor %}", /steps/],
  ["a list as text", "{% set r = range(99999) %}{% for i in range(9999) %}{{ '' if r == 'a' }}{% endfor %}", /steps/],
  ["macros without end", "{% macro f(x) %}{{ f(x ~ 'a') }}{% endmacro %}{{ f('') }}", /more than 200 deep/],
  [
    "a block that calls itself",
    "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
    /more than 200 deep/,
  ],
  [
    "macros that branch",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    /steps/,
  ],
  ["brackets without end", `{{ ${"(".repeat(50_000)}`, /call stack/],
];
for (const [what, jinja, refusal] of refusals)
  test(`stopped and named: ${what}`, () => {
    const start = process.cpuUsage();
    assert.throws(
      () => render(jinja),
      (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, /^chat template "a stranger's": /);
        assert.match(error.message, refusal);
        return true;
      },
    );
    const { user, system } = process.cpuUsage(start);
    assert.ok(user + system < 2e6, `${(user + system) / 1e6} s`);
  });

test("ranges as Python's, to the longest of Transformers' sandbox", () => {
  assert.equal(render("{{ range(100000) | length }} {{ range(100000) | last }}"), "100000 99999");
  assert.equal(
    render("{{ range(3) }}{{ range(5, 2) }}{{ range(5, 1, -2) }}{{ range(1, 6, 2) }}"),
    "[0, 1, 2][][5, 3][1, 3, 5]",
  );
  assert.equal(render("{% for i in range(99999) %}{% if loop.last %}{{ i }}{% endif %}{% endfor %}"), "99998");
});

test("bounds grow with what is rendered", () => {
  const long = (count: number, length: number): Message[] =>
    Array.from({ length: count }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: "a".repeat(length) }));
  const text = "{% for m in messages %}{{ m.content }}{{ m.content | upper }}{% endfor %}";
  assert.equal(render(text, long(4, 500_000)).length, 4_000_000);
  // what precedes each message, and all that follows it
  const quadratic =
    "{% set ns = namespace(text='') %}{% for m in messages %}{% set ns.text = ns.text ~ m.content %}" +
    "{% for later in messages[loop.index:] %}{% if later.role == m.role %}{{ '+' }}{% endif %}{% endfor %}{% endfor %}" +
    "{{ ns.text | length }}";
  assert.equal(render(quadratic, long(500, 300)), "+".repeat(2 * ((250 * 249) / 2)) + "150000");
  const tools = [{ type: "function", function: { name: "f", description: "b".repeat(1_500_000) } }];
  assert.ok(render("{{ tools | tojson }}", hello, { tools }).length > 1_500_000);
  assert.throws(
    () => render("{% set t = tools | tojson %}{{ t }}" + "{{ t }}".repeat(30), hello, { tools }),
    DataError,
  );
});

test("a template reaches no property of a JavaScript object", () => {
  const tools = [{ type: "function", function: { name: "f" } }];
  const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__class__", "caller", "value"];
  const values = [
    "messages",
    "messages[0]",
    "messages[0].content",
    "tools[0]",
    "range",
    "raise_exception",
    "true",
    "none",
  ];
  const more = ["1", "1.5", "'a'", "{}", "[]", "(1, 2)", "namespace()", "namespace", "'a'.upper", "{}.get", "loop"];
  for (const name of names)
    for (const value of [...values, ...more])
      for (const access of [`(${value}).${name}`, `(${value})['${name}']`])
        assert.equal(
          render(`{% for _ in [1] %}{{ ${access} is undefined }}{% endfor %}`, hello, { tools }),
          "true",
          access,
        );
  for (const name of names) assert.equal(render(`{{ ${name} is undefined }}`), "true", name);
  // a key of the row is a key, whatever its name
  const row = JSON.parse('[{"__proto__": {"polluted": "yes"}, "constructor": "mine"}]') as unknown[];
  assert.equal(
    render("{{ tools[0].__proto__.polluted }} {{ tools[0].constructor }}", hello, { tools: row }),
    "yes mine",
  );
  render("{% set ns = namespace() %}{% set ns.__proto__ = {'polluted': 1} %}{% set ns.constructor = 1 %}");
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test("strip, lstrip and rstrip take away what Python's do", () => {
  const jinja = (text: string) => ({ name: "t", jinja: text, specialTokens: {} });
  const cases: [template: string, content: string, expected: string][] = [
    ["{{ messages[0].content.strip('\\n') }}", "\n  a \n\n", "  a "],
    ["{{ messages[0].content.lstrip('\\n') }}", "\n  a \n", "  a \n"],
    ["{{ messages[0].content.rstrip('\\n') }}", "\n  a \n", "\n  a "],
    ["{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }}", "x</think>\n\n  b", "  b"],
    ["{{ messages[0].content.strip('xy😀') }}", "y😀xaxy", "a"],
    ["{{ (messages[0].content ~ ' ').strip() }}", "\x1c\u3000\ufeff a\x85", "\ufeff a"],
    ["{{ messages[0].content | trim('-') }}", "--a- ", "a- "],
    ["{{ messages[0].content.strip('') }}", " a ", " a "],
    ["{{ messages[0].content.strip(none) }}", " a ", "a"],
  ];
  for (const [text, content, expected] of cases)
    assert.equal(renderChat(jinja(text), [{ role: "user", content }]), expected, text);
  assert.throws(
    () => renderChat(jinja("{{ absent.strip() }}"), [{ role: "user", content: "a" }]),
    /chat template "t": strip is called on a value that is not a text/,
  );
});
