import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { z } from "zod";
import { SkillboxError } from "../../../src/errors.js";
import { createScanServer, type RequestLine, type ServerOptions } from "../../../src/scan/serve/server.js";
import { cleanReport, hostileReport } from "./sample-report.js";
import { honestSkill, zipOf } from "./zips.js";

/** Where the service unpacks, so that nobody else's uploads are in the way. */
const temporary = mkdtempSync(path.join(tmpdir(), "serve-uploads-"));
process.env["TMPDIR"] = temporary;
test.after.always(() => {
  rmSync(temporary, { recursive: true });
});

const answer = z.looseObject({
  detail: z.string().optional(),
  skill_name: z.string().optional(),
  is_safe: z.boolean().optional(),
  max_severity: z.string().optional(),
  findings_count: z.number().optional(),
  findings: z.array(z.looseObject({ rule_id: z.string(), analyzer: z.string() })).optional(),
});

interface Service {
  readonly url: string;
  readonly lines: readonly RequestLine[];
}

async function listening(t: ExecutionContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no address");
  return `http://127.0.0.1:${address.port}`;
}

async function serve(t: ExecutionContext, options: Partial<ServerOptions> = {}): Promise<Service> {
  const lines: RequestLine[] = [];
  const server = createScanServer({
    scan: async () => Promise.resolve(cleanReport()),
    roots: [],
    concurrency: 2,
    timeoutMs: 30_000,
    onRequest: (line) => lines.push(line),
    ...options,
  });
  return { url: await listening(t, server), lines };
}

async function post(url: string, body: FormData | string, headers: Record<string, string> = {}) {
  const type: Record<string, string> = typeof body === "string" ? { "content-type": "application/json" } : {};
  const response = await fetch(url, { method: "POST", body, headers: { ...type, ...headers } });
  return { status: response.status, ...answer.parse(await response.json()) };
}

function upload(archive: Buffer<ArrayBuffer>, filename = "skill.zip", field = "file"): FormData {
  const form = new FormData();
  form.set(field, new Blob([archive]), filename);
  form.set("use_llm", "false");
  return form;
}

function scratch(t: ExecutionContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "serve-"));
  t.teardown(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

function uploadsLeft(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("skillbox-upload-"));
}

test.serial("an upload is unpacked, scanned and removed", async (t) => {
  let seen: { directory: string; files: string[]; script: string } | undefined;
  const { url, lines } = await serve(t, {
    scan: async (directory) => {
      const script = readFileSync(path.join(directory, "scripts/main.py"), "utf8");
      seen = { directory, files: readdirSync(directory).sort(), script };
      return Promise.resolve(hostileReport());
    },
  });
  const reply = await post(`${url}/scan-upload?use_behavioral=true`, upload(await zipOf(honestSkill)));
  t.is(reply.status, 200, reply.detail);
  t.deepEqual(seen?.files, ["SKILL.md", "scripts"]);
  t.is(seen?.script, "print('hello')\n");
  t.false(existsSync(seen?.directory ?? "/"));
  t.is(reply.max_severity, "CRITICAL");
  t.is(reply.findings_count, 3);
  t.false(reply.is_safe);
  t.deepEqual(
    lines.map(({ status, path: where }) => [status, where]),
    [[200, "/scan-upload"]],
  );
  const nested = Object.fromEntries(
    Object.entries(honestSkill).map(([name, text]) => [`word-count/${name}`, text]),
  );
  t.is(
    (await post(`${url}/scan-upload`, upload(await zipOf(nested)))).status,
    200,
    "a folder in the archive",
  );
});

test.serial("what an archive must not hold is refused, and nothing of it stays", async (t) => {
  let scans = 0;
  const { url } = await serve(t, {
    scan: async () => {
      scans++;
      return Promise.resolve(cleanReport());
    },
  });
  const victim = path.join(tmpdir(), "escaped.txt");
  rmSync(victim, { force: true });
  const many = Object.fromEntries(Array.from({ length: 5001 }, (_, index) => [`f${index}`, ""]));
  const cases: [string, Buffer<ArrayBuffer>, number, RegExp][] = [
    [
      "..",
      await zipOf({ ...honestSkill, "AA/AA/escaped.txt": "x" }, ["AA/AA/", "../../"]),
      400,
      /invalid relative path/,
    ],
    [
      "absolute",
      await zipOf({ ...honestSkill, "Atmp/escaped.txt": "x" }, ["Atmp/", "/tmp/"]),
      400,
      /absolute path/,
    ],
    ["backslash", await zipOf({ ...honestSkill, "A/x": "x" }, ["A/x", "A\\x"]), 400, /invalid characters/],
    [
      "link",
      await zipOf({ ...honestSkill, l: { content: "/etc/passwd", mode: 0o120777 } }),
      400,
      /link or a special file/,
    ],
    [
      "device",
      await zipOf({ ...honestSkill, d: { content: "", mode: 0o020666 } }),
      400,
      /link or a special file/,
    ],
    ["twice", await zipOf({ ...honestSkill, a1: "x", a2: "y" }, ["a2", "a1"]), 400, /EEXIST/],
    [
      "file as folder",
      await zipOf({ ...honestSkill, b1: "x", "b2/c": "y" }, ["b2", "b1"]),
      400,
      /EEXIST|ENOTDIR/,
    ],
    [
      "bomb",
      await zipOf({ ...honestSkill, zeros: "\0".repeat(60 * 1024 * 1024) }),
      413,
      /200 times its size/,
    ],
    ["entries", await zipOf({ ...honestSkill, ...many }), 413, /more than 5000 entries/],
    ["no skill", await zipOf({ "README.md": "x" }), 400, /no SKILL\.md/],
    ["two skills", await zipOf({ "a/SKILL.md": "x", "b/SKILL.md": "x" }), 400, /more than one/],
    ["no archive", Buffer.from("hello"), 400, /no zip archive/],
  ];
  for (const [what, archive, status, detail] of cases) {
    const reply = await post(`${url}/scan-upload`, upload(archive));
    t.is(reply.status, status, what);
    t.regex(reply.detail ?? "", detail, what);
  }
  t.is(scans, 0);
  t.false(existsSync(victim));
  t.deepEqual(uploadsLeft(), []);
});

test.serial("forms that are none, too large, or have other parts are refused", async (t) => {
  const { url } = await serve(t);
  const archive = await zipOf(honestSkill);
  t.is((await post(`${url}/scan-upload`, "{}")).status, 415);
  t.regex((await post(`${url}/scan-upload`, upload(archive, "skill.tar"))).detail ?? "", /\.zip/);
  t.regex((await post(`${url}/scan-upload`, upload(archive, "a.zip", "other"))).detail ?? "", /`file`/);
  const large = await new Promise<number | undefined>((resolve, reject) => {
    const headers = {
      "content-type": "multipart/form-data; boundary=x",
      "content-length": 200 * 1024 * 1024,
    };
    const request = httpRequest(`${url}/scan-upload`, { method: "POST", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
    request.write("--x");
  });
  t.is(large, 413);
});

test.serial("a directory is scanned where the operator allowed it, and nowhere else", async (t) => {
  const root = scratch(t);
  mkdirSync(path.join(root, "allowed/skill"), { recursive: true });
  mkdirSync(path.join(root, "secret"));
  symlinkSync("../secret", path.join(root, "allowed/link"));
  writeFileSync(path.join(root, "allowed/file"), "");
  const seen: string[] = [];
  const { url } = await serve(t, {
    roots: [path.join(root, "allowed")],
    scan: async (directory) => {
      seen.push(directory);
      return Promise.resolve(cleanReport());
    },
  });
  const scan = async (directory: unknown) =>
    post(`${url}/scan`, JSON.stringify({ skill_directory: directory }));
  t.is((await scan(path.join(root, "allowed/skill"))).status, 200);
  for (const outside of [
    path.join(root, "secret"),
    path.join(root, "allowed/link"),
    path.join(root, "allowed/../secret"),
    path.join(root, "allowed/file"),
    "/no/such",
    "allowed/skill",
    "/etc\0",
  ]) {
    const reply = await scan(outside);
    t.is(reply.status, 404, outside);
    t.is(reply.detail, "skill_directory not found");
  }
  t.is((await scan(7)).status, 422);
  t.is((await post(`${url}/scan`, "{")).status, 400);
  t.is((await post(`${url}/scan`, `"${"x".repeat(70_000)}"`)).status, 413);
  t.deepEqual(seen, [path.join(root, "allowed/skill")]);
  const closed = await serve(t);
  t.is((await post(`${closed.url}/scan`, JSON.stringify({ skill_directory: root }))).status, 403);
});

test.serial("only who has the token is let in, and no browser", async (t) => {
  const { url } = await serve(t, { token: "s3cret" });
  t.is((await fetch(`${url}/health`)).status, 200);
  t.is((await fetch(`${url}/analyzers`)).status, 401);
  t.is((await fetch(`${url}/analyzers`, { headers: { authorization: "Bearer wrong" } })).status, 401);
  t.is((await fetch(`${url}/analyzers`, { headers: { authorization: "Bearer s3cret" } })).status, 200);
  t.is((await fetch(`${url}/health`, { headers: { origin: "https://evil.example" } })).status, 403);
  t.is((await fetch(`${url}/nothing`)).status, 404);
  t.is((await fetch(`${url}/scan`)).status, 405);
});

test.serial("scans at once are bounded, and a caller who goes away ends his own", async (t) => {
  const root = scratch(t);
  let running = 0;
  let most = 0;
  let aborted = 0;
  const { url, lines } = await serve(t, {
    roots: [root],
    concurrency: 1,
    scan: async (_, signal) => {
      most = Math.max(most, ++running);
      try {
        await sleep(most === 1 && aborted === 0 ? 20_000 : 1, undefined, { signal });
        return cleanReport();
      } catch (error) {
        aborted++;
        throw error;
      } finally {
        running--;
      }
    },
  });
  const body = JSON.stringify({ skill_directory: root });
  const gone = new AbortController();
  const cancelled = fetch(`${url}/scan`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
    signal: gone.signal,
  }).catch(() => "gone");
  while (running === 0) await sleep(5);
  const others = Array.from({ length: 36 }, async () => post(`${url}/scan`, body));
  // One runs, 32 wait, and the others have been told to come again.
  while (lines.length < 4) await sleep(5);
  gone.abort();
  t.is(await cancelled, "gone");
  const statuses = (await Promise.all(others)).map(({ status }) => status);
  t.is(statuses.filter((status) => status === 200).length, 32);
  t.is(statuses.filter((status) => status === 503).length, 4);
  t.is(most, 1);
  t.is(aborted, 1);
  t.true(lines.some(({ status }) => status === 499));
});

test.serial("a scan that takes too long is ended, and its caller told", async (t) => {
  const root = scratch(t);
  let ended = false;
  const { url } = await serve(t, {
    roots: [root],
    timeoutMs: 200,
    scan: async (_, signal) => {
      // As a scan does that says what it knows when it is cut short.
      await sleep(60_000, undefined, { signal }).catch(() => undefined);
      ended = true;
      return cleanReport();
    },
  });
  const reply = await post(`${url}/scan`, JSON.stringify({ skill_directory: root }));
  t.is(reply.status, 504);
  t.true(ended);
});

test.serial("errors of the skill are the caller's, errors of the host are ours", async (t) => {
  const root = scratch(t);
  let code: "ERR_USAGE" | "ERR_HOST" = "ERR_USAGE";
  const { url } = await serve(t, {
    roots: [root],
    scan: async () => Promise.reject(new SkillboxError(code, "SKILL.md is broken", { hint: "mend it" })),
  });
  const body = JSON.stringify({ skill_directory: root });
  t.like(await post(`${url}/scan`, body), { status: 422, detail: "SKILL.md is broken (mend it)" });
  code = "ERR_HOST";
  t.is((await post(`${url}/scan`, body)).status, 500);
});

test.serial("another scanner's findings are merged; if it fails, so does the scan", async (t) => {
  let upstreamAnswer: unknown;
  const asked: string[] = [];
  const other = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization} ${bytes > 200}`);
      response.end(JSON.stringify(upstreamAnswer));
    });
  });
  const upstream = { url: new URL(`${await listening(t, other)}/api/`), token: "up" };
  const { url } = await serve(t, { upstream });
  const archive = await zipOf(honestSkill);
  upstreamAnswer = {
    is_safe: false,
    findings: [
      {
        id: "s1",
        rule_id: "YARA_1",
        severity: "HIGH",
        category: "prompt_injection",
        title: "t",
        description: "d",
        file_path: "SKILL.md",
        line_number: null,
        analyzer: "static",
      },
    ],
  };
  const reply = await post(`${url}/scan-upload?use_llm=false`, upload(archive));
  t.like(reply, { status: 200, is_safe: false, max_severity: "HIGH", findings_count: 1 });
  t.deepEqual(
    reply.findings?.map(({ rule_id, analyzer }) => [rule_id, analyzer]),
    [["YARA_1", "static"]],
  );
  t.deepEqual(asked, ["POST /api/scan-upload?use_llm=false Bearer up true"]);
  upstreamAnswer = { is_safe: true };
  const failed = await post(`${url}/scan-upload`, upload(archive));
  t.is(failed.status, 502);
  t.regex(failed.detail ?? "", /the upstream scanner failed/);
  other.close();
  other.closeAllConnections();
  t.is((await post(`${url}/scan-upload`, upload(archive))).status, 502);
  t.deepEqual(uploadsLeft(), []);
});
