import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { visibleText } from "../../lib/data/visible-text";
import { escapeText } from "../../lib/figures/theme";
import { safeBundle } from "../../lib/notebook/kernel";
import { liveTableHtml } from "../../lib/notebook/live-table";

test("visibleText: control, format and invisible characters are shown, other text stays", () => {
  assert.equal(visibleText("é 漢字 🙂\ttab\nline ⟨U+202E⟩ ␛"), "é 漢字 🙂\ttab\nline ⟨U+202E⟩ ␛");
  assert.equal(visibleText("\u001b[31mred\u001b[0m\r\0\u007f"), "␛[31mred␛[0m␍␀␡");
  assert.equal(
    visibleText("a\u202eb\u200b\ufeff\u009b\ud800\u2028"),
    "a⟨U+202E⟩b⟨U+200B⟩⟨U+FEFF⟩⟨U+009B⟩⟨U+D800⟩⟨U+2028⟩",
  );
  assert.equal(visibleText("\u{e0041}\u3164\ue000"), "⟨U+E0041⟩⟨U+3164⟩⟨U+E000⟩");
});

test("text of files that goes into errors, HTML, figures and plain outputs is shown, not obeyed", () => {
  assert.equal(new DataError("a\u001b[31m\u009b\u202eb\ud83d").message, "a␛[31m⟨U+009B⟩⟨U+202E⟩b⟨U+D83D⟩");
  assert.equal(escapeText("<b>\u001b[1m"), "&lt;b&gt;␛[1m");
  const table = liveTableHtml({ columns: ["run"], rows: [{ state: "failed", text: "\u001b]0;x\u0007" }] });
  assert.ok(table.includes(">␛]0;x␇</td>"), table);
  assert.deepEqual(safeBundle({ "text/plain": "\u001b[1mx", "application/json": {} }), {
    "text/plain": "␛[1mx",
    "application/json": {},
  });
});
