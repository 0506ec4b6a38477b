// Pages that need no other file and no network.
import { createHash } from "node:crypto";
import { markup, Markup } from "./report-html";

/** What a self-contained page is made of. */
export interface PageParts {
  title: string;
  style: string;
  /** content of the page, scripts included */
  body: Markup;
  /** sources of all scripts that may run, whether they stand in the page or are added by another script */
  scripts: readonly string[];
  /** further directives of the page's policy, for example "img-src data:"; default: none */
  allowed?: readonly string[];
}

/**
 * Composes a page whose policy forbids the browser every request, and every script but its own, which are named by their
 * digests.
 */
export function selfContainedPage({ title, style, body, scripts, allowed = [] }: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(sourceDigest).join(" ")}`,
    "style-src 'unsafe-inline'",
    ...allowed,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
${body}
</body>
</html>
`.source;
}

const sourceDigest = (script: string): string => `'sha256-${createHash("sha256").update(script).digest("base64")}'`;
