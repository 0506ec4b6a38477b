import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { serve } from "./http-server";

/** A repository as the local server offers it. */
export interface Repository {
  kind: "model" | "dataset";
  /** `owner/name` */
  name: string;
  commit: string;
  /** content by path */
  files: Record<string, Buffer>;
  /** paths of files that the Hub keeps outside git, and answers with a redirect */
  large?: string[];
  card?: Record<string, unknown>;
}

/** A request that the server saw, and how much of a file's content it sent. */
export interface Seen {
  method: string;
  url: string;
  authorization: string | undefined;
  range: string | undefined;
  sent: number;
}

/** A local server that speaks the Hub's API as far as the library uses it. */
export interface HubServer {
  url: string;
  seen: Seen[];
  /** content bytes sent so far, without the one byte by which the library asks for a size */
  contentBytes(): number;
}

/** Answers a request instead of the server; returns true if it did. */
export type Fault = (request: IncomingMessage, response: ServerResponse, content: Buffer | undefined) => boolean;

/**
 * Starts a server with the given repositories. Revisions are `main` and the commit. Large files are redirected to
 * `storeUrl`, default the server itself.
 */
export async function hubServer(
  t: TestContext,
  repositories: Repository[],
  fault: Fault = () => false,
  storeUrl = "",
): Promise<HubServer> {
  const seen: Seen[] = [];
  const url = await serve(t, (request, response) => {
    const { authorization, range } = request.headers;
    const record: Seen = { method: request.method!, url: request.url!, authorization, range, sent: 0 };
    seen.push(record);
    const path = decodeURIComponent(request.url!.split("?")[0]);
    const found = find(repositories, path);
    if (fault(request, response, found?.content)) return;
    if (!found) return refuse(response, 404, path.startsWith("/api/") ? "RepoNotFound" : "EntryNotFound");
    if (found.revision !== "main" && found.revision !== found.repository.commit)
      return refuse(response, 404, "RevisionNotFound");
    if (found.what === "revision") return void response.end(JSON.stringify(infoOf(found.repository)));
    if (found.what === "tree") return void response.end(JSON.stringify(treeOf(found.repository)));
    if (found.content === undefined) return refuse(response, 404, "EntryNotFound");
    const isLarge = found.repository.large?.includes(found.path);
    if (isLarge && request.headers.accept?.includes("xet-fileinfo"))
      return void response.writeHead(200, xetHeaders(found.content)).end("{}");
    if (isLarge && found.what === "resolve")
      return void response
        .writeHead(302, { location: path.replace("/resolve/", "/store/").replace(/^/, storeUrl) })
        .end();
    record.sent += sendContent(response, found.content, range);
  });
  const contentBytes = () => seen.filter(({ range }) => range !== "bytes=0-0").reduce((sum, { sent }) => sum + sent, 0);
  return { url, seen, contentBytes };
}

function find(repositories: Repository[], path: string) {
  const [, api, name, what, revision, file = ""] =
    /^(\/api\/(?:model|dataset)s|\/datasets|)\/([^/]+\/[^/]+)\/(revision|tree|resolve|store)\/([^/]+)\/?(.*)$/.exec(
      path,
    ) ?? [];
  const kind = api?.includes("dataset") ? "dataset" : "model";
  const repository = repositories.find((other) => other.name === name && other.kind === kind);
  return repository && { repository, what, revision, path: file, content: repository.files[file] };
}

function infoOf({ name, commit, card }: Repository): object {
  return { _id: "1", id: name, sha: commit, cardData: card ?? {}, gated: false, lastModified: "2024-01-01T00:00:00Z" };
}

/** Name of content in git. */
export const gitName = (content: Buffer) =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

function treeOf({ files, large = [] }: Repository): object[] {
  const entries = Object.entries(files).map(([path, content]) => ({
    type: "file",
    path,
    size: content.length,
    oid: gitName(large.includes(path) ? Buffer.from("pointer") : content),
    ...(large.includes(path) && {
      lfs: { oid: sha256(content), size: content.length, pointerSize: 130 },
      xetHash: "0".repeat(64),
    }),
  }));
  return [{ type: "directory", path: "data", size: 0, oid: "0" }, ...entries];
}

function xetHeaders(content: Buffer): Record<string, string | string[]> {
  return {
    "content-type": "application/vnd.xet-fileinfo+json",
    etag: '"info"',
    "x-linked-etag": `"${sha256(content)}"`,
    "x-linked-size": String(content.length),
    "x-xet-hash": "0".repeat(64),
    link: '<http://127.0.0.1:1/auth>; rel="xet-auth", <http://127.0.0.1:1/info>; rel="xet-reconstruction-info"',
  };
}

/** Sends content, or the part of it that a range asks for; returns the number of bytes. */
export function sendContent(response: ServerResponse, content: Buffer, range: string | undefined): number {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  response.setHeader("etag", `"${gitName(content)}"`);
  if (from === undefined) {
    response.writeHead(200, { "content-length": content.length }).end(content);
    return content.length;
  }
  const part = content.subarray(Number(from), to ? Number(to) + 1 : content.length);
  const contentRange = `bytes ${from}-${Number(from) + part.length - 1}/${content.length}`;
  response.writeHead(206, { "content-range": contentRange, "content-length": part.length }).end(part);
  return part.length;
}

/** Refuses a request as the Hub does. */
export function refuse(response: ServerResponse, status: number, code?: string, message?: string): void {
  if (code) response.setHeader("x-error-code", code);
  if (message) response.setHeader("x-error-message", message);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error: "refused" }));
}
