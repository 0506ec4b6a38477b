import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser } from "../../lib/export/browser";
import { figure2b } from "../../lib/figures/figure2b";
import { contactSheet } from "../../lib/notebook/contact-sheet";
import { distances } from "../figures/rows-fixture";

after(closeBrowser);

test("the contact sheet lists what figures leave out, and the figures that cannot be drawn", async () => {
  const figure = { ...figure2b(distances), leftOut: ["the runs of <a>"] };
  const sheet = await contactSheet([figure], [], [{ name: "figure2d", reason: "no task of long generation" }]);
  const notes = ["figure2b leaves out: the runs of <a>", "figure2d cannot be drawn: no task of long generation"];
  assert.deepEqual(sheet.text.split("\n").slice(1), notes);
  assert.match(sheet.html, /<li>figure2b leaves out: the runs of &lt;a&gt;<\/li><li>figure2d cannot be drawn/);
  assert.equal(sheet.html.match(/<img /g)!.length, 1);
  assert.ok(!(await contactSheet([])).html.includes("<ul>"));
});
