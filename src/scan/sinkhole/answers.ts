import type { IncomingHttpHeaders } from "node:http";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * What a server might say, so that the code goes on. A script that is asked for is one, and starts a harmless program whose
 * arguments hold the marker: its event shows that what was fetched was run.
 */
export function answerTo(
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
  marker: string,
): Answer {
  const path = target.replace(/[?#].*/s, "").toLowerCase();
  const accept = headers.accept ?? "";
  if (/\.(sh|bash)$|(install|setup|bootstrap|payload|stage\d?|run)$/.test(path))
    return { status: 200, type: "text/x-shellscript", body: `#!/bin/sh\n/usr/bin/env true ${marker}\n` };
  if (path.endsWith(".py")) {
    const body = `import subprocess\nsubprocess.run(["/usr/bin/env", "true", ${JSON.stringify(marker)}])\n`;
    return { status: 200, type: "text/x-python", body };
  }
  if (/\.[cm]?js$/.test(path)) {
    const call = `("node:child_process").execFileSync("/usr/bin/env", ["true", ${JSON.stringify(marker)}]);\n`;
    const body = `(typeof require === "undefined" ? process.getBuiltinModule : require)${call}`;
    return { status: 200, type: "text/javascript", body };
  }
  if (accept.includes("text/html") && !accept.includes("json"))
    return {
      status: 200,
      type: "text/html; charset=utf-8",
      body: "<!doctype html><title>ok</title><p>ok</p>\n",
    };
  const status = method === "POST" && /\/(users|items|orders|issues)$/.test(path) ? 201 : 200;
  const body = {
    ok: true,
    status: "ok",
    id: "1",
    token: "sinkhole",
    data: [],
    items: [],
    results: [],
    result: {},
  };
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}

/** What servers say before they are asked, by port; others wait for the client. */
export function greetingOf(port: number): string | undefined {
  if ([25, 465, 587, 2525].includes(port)) return "220 mail ESMTP\r\n";
  if (port === 21) return "220 FTP\r\n";
  if (port === 22) return "SSH-2.0-OpenSSH_9.2\r\n";
  if ([110, 995].includes(port)) return "+OK\r\n";
  if ([143, 993].includes(port)) return "* OK IMAP4rev1\r\n";
  return undefined;
}

/** The reply to a line of the client's in protocols that answer each one with a code; undefined for no reply. */
export function replyTo(port: number, line: string): string | undefined {
  if ([25, 465, 587, 2525].includes(port)) {
    if (/^data\b/i.test(line)) return "354 go on\r\n";
    if (/^(ehlo|helo|mail|rcpt|auth|rset|noop|starttls)\b/i.test(line) || line === ".") return "250 ok\r\n";
    return /^quit\b/i.test(line) ? "221 bye\r\n" : undefined;
  }
  if (port === 21) return /^user\b/i.test(line) ? "331 password\r\n" : "230 ok\r\n";
  if (port === 6379) return "+OK\r\n";
  return undefined;
}
