import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createSecureServer, createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createHash } from "node:crypto";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Authority, makeAuthority } from "../helpers/authority.js";
import { allowing, closedPort, listenOnBoth, runNetworked, type NetworkedEnd } from "../helpers/network.js";
import { postgresFolders, requires, type Feature } from "../helpers/requires.js";
import { fixture, scratch, type Scratch } from "../helpers/scratch.js";

/** Programs that know nothing of proxies reach what the policy names, by name, and are told at once when it does not. */
const body = "from outside";
const names = { allowed: "allowed.test", denied: "denied.test" } as const;

interface Client {
  readonly title: string;
  readonly needs: readonly Feature[];
  readonly scheme: "http" | "https" | "http2";
  readonly argv: (url: string, host: string, port: string) => readonly string[];
}

const plain = (title: string, how: Client["argv"], ...needs: Feature[]): Client => ({
  title,
  needs,
  scheme: "http",
  argv: how,
});

const clients: readonly Client[] = [
  plain("curl", (url) => ["curl", "-sSf", url], "program:curl"),
  plain("curl -4", (url) => ["curl", "-4sSf", url], "program:curl"),
  plain("curl -6", (url) => ["curl", "-6sSf", url], "program:curl", "ipv6"),
  {
    title: "curl over TLS",
    needs: ["program:curl", "program:openssl"],
    scheme: "https",
    argv: (url) => ["curl", "-sSf", "--cacert", "ca.pem", url],
  },
  plain("wget", (url) => ["wget", "-q", "-t", "1", "-O", "-", url], "program:wget"),
  {
    title: "wget over TLS",
    needs: ["program:wget", "program:openssl"],
    scheme: "https",
    argv: (url) => ["wget", "-q", "-t", "1", "-O", "-", "--ca-certificate=ca.pem", url],
  },
  {
    title: "Python's urllib over TLS",
    needs: ["program:python3", "program:openssl"],
    scheme: "https",
    argv: (url) => ["python3", "client.py", "urllib", url],
  },
  plain("Python's http.client", (url) => ["python3", "client.py", "http", url], "program:python3"),
  plain("Python's asyncio", (url) => ["python3", "client.py", "asyncio", url], "program:python3"),
  plain("Node's net.connect", (url) => ["node", "client.mjs", "net", url]),
  {
    title: "Node's fetch over TLS",
    needs: ["program:openssl"],
    scheme: "https",
    argv: (url) => ["node", "client.mjs", "fetch", url],
  },
  {
    title: "Node's http2",
    needs: ["program:openssl"],
    scheme: "http2",
    argv: (url) => ["node", "client.mjs", "http2", url],
  },
  plain("a static program", (_url, host, port) => ["./client", "blocking", host, port], "program:gcc"),
  plain("a static program with poll", (_url, host, port) => ["./client", "poll", host, port], "program:gcc"),
];

for (const { title, needs, scheme, argv } of clients) {
  requires(test, "userns", ...needs).serial(
    `${title}: by name over IPv4 and IPv6, and refused at once`,
    async (t) => {
      const box = withClients(scratch(t));
      if (argv("", "", "")[0] === "./client") compileClient(box);
      const tls = scheme === "http" ? undefined : makeAuthority(box, Object.values(names));
      const answer = `${body}\n`;
      const { port, v4, v6 } = await listenOnBoth(t, () => {
        if (tls === undefined) return createServer((_request, response) => response.end(answer));
        if (scheme === "https") return createHttpsServer(tls, (_request, response) => response.end(answer));
        return createSecureServer(tls, (_request, response) => response.end(answer));
      });
      for (const [outside, server] of [
        ["127.0.0.1", v4],
        ["::1", v6],
      ] as const) {
        const call = (host: string): readonly string[] =>
          argv(`${tls === undefined ? "http" : "https"}://${host}:${port}/`, host, String(port));
        const end = await runNetworked(t, box, allowedThenDenied(call(names.allowed), call(names.denied)), {
          network: allowing([names.allowed], [port]),
          resolve: () => [outside],
          ...(tls === undefined ? {} : { set: { SSL_CERT_FILE: tls.file, NODE_EXTRA_CA_CERTS: tls.file } }),
        });
        assertAllowedThenDenied(t, end, body);
        t.is(server.count(), 1, "exactly one connection, to the address that the name stands for");
        t.like(
          end.of("net.connect").find(({ verdict }) => verdict === "allow"),
          {
            name: names.allowed,
            address: outside,
            port,
            rule: "egress[0]",
          },
        );
        t.deepEqual(end.resolved, [names.allowed]);
      }
    },
  );
}

requires(test, "userns").serial(
  "HTTP/2 without TLS is refused where a name would have to be judged, in words that its clients understand",
  async (t) => {
    const box = withClients(scratch(t));
    const { port, v4 } = await listenOnBoth(t, () => createHttp2Server());
    let streams = 0;
    v4.server.on("stream", () => streams++);
    const { stderr, result, of } = await runNetworked(
      t,
      box,
      ["node", "client.mjs", "http2", `http://${names.allowed}:${port}/`],
      { network: allowing([names.allowed], [port]) },
    );
    t.is(result.exitCode, 1);
    t.regex(stderr, /ERR_HTTP2_SESSION_ERROR|ERR_HTTP2_STREAM_ERROR/);
    t.regex(stderr, /error code 13|HTTP_1_1_REQUIRED/);
    t.is(streams, 0);
    const reason = "HTTP/2 without TLS is not judged by name: use TLS, or HTTP/1.1";
    t.like(of("net.http")[0], { verdict: "deny", reason, name: names.allowed, port });
  },
);

requires(test, "userns", "program:java").serial(
  "Java's HttpClient: by name, and refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const { port } = await listenOnBoth(t, () => createServer((_request, response) => response.end(body)));
    const urls = [names.allowed, names.denied].map((host) => `http://${host}:${port}/`);
    const { result, stdout, stderr } = await runNetworked(
      t,
      box,
      ["java", "-Xshare:auto", "Client.java", ...urls],
      {
        network: allowing([names.allowed], [port]),
      },
    );
    const found = /^from outside\njava\.net\.ConnectException after (\d+) ms\n$/.exec(stdout);
    t.true(Number(found?.[1]) < 1000, `${stdout}${stderr}`);
    t.is(result.exitCode, 0);
  },
);

requires(test, "userns", "program:git", "program:openssl").serial(
  "git clones over http and https, and is refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const served = makeRepository(box);
    const tls = makeAuthority(box, [names.allowed]);
    const files = serveFiles(served);
    const http = await listenOnBoth(t, () => createServer(files));
    const https = await listenOnBoth(t, () => createHttpsServer(tls, files));
    const script = [
      "set -e; cd /tmp",
      `git clone -q http://${names.allowed}:${http.port}/origin.git one; cat one/file`,
      `git clone -q https://${names.allowed}:${https.port}/origin.git two; cat two/file`,
    ].join("\n");
    const request = {
      network: allowing([names.allowed], [http.port, https.port]),
      set: { GIT_SSL_CAINFO: tls.file },
    };
    const denied = ["git", "clone", "-q", `http://${names.denied}:${http.port}/origin.git`, "/tmp/three"];
    const end = await runNetworked(t, box, allowedThenDenied(["sh", "-c", script], denied), request);
    assertAllowedThenDenied(t, end, "content\ncontent");
  },
);

requires(test, "userns", "program:git", "program:ssh", "program:sshd").serial(
  "git clones over ssh, and is refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const served = makeRepository(box);
    const port = await startSshServer(t, box);
    const user = spawnSync("id", ["-un"], { encoding: "utf8" }).stdout.trim();
    const ssh = [
      "ssh -i /tmp/key -o IdentitiesOnly=yes -o UserKnownHostsFile=/tmp/known -o GlobalKnownHostsFile=/dev/null",
      "-o StrictHostKeyChecking=accept-new -o LogLevel=ERROR -o BatchMode=yes",
    ].join(" ");
    const url = (host: string): string => `ssh://${user}@${host}:${port}${served}/origin.git`;
    const script = `set -e; cp key /tmp/key; chmod 600 /tmp/key; git clone -q ${url(names.allowed)} /tmp/one; cat /tmp/one/file`;
    const end = await runNetworked(
      t,
      box,
      allowedThenDenied(["sh", "-c", script], ["git", "clone", "-q", url(names.denied), "/tmp/two"]),
      { network: allowing([names.allowed], [port]), set: { GIT_SSH_COMMAND: ssh } },
    );
    assertAllowedThenDenied(t, end, "content");
  },
);

requires(test, "userns", "program:redis-server", "program:redis-cli").serial(
  "redis-cli sets and gets, and is refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const port = await closedPort();
    const args = [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--dir",
      box.directory("redis"),
    ];
    const server = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    t.teardown(() => server.kill("SIGKILL"));
    await lineOf(server.stdout, /Ready to accept connections/);
    const cli = (host: string, command: string): string => `redis-cli -h ${host} -p ${port} ${command}`;
    const script = `${cli(names.allowed, "set key value")} && ${cli(names.allowed, "get key")}`;
    const end = await runNetworked(
      t,
      box,
      allowedThenDenied(["sh", "-c", script], ["sh", "-c", `! ${cli(names.denied, "get key")} | grep value`]),
      { network: allowing([names.allowed], [port]) },
    );
    assertAllowedThenDenied(t, end, "OK\nvalue", { deniedStatus: 0 });
  },
);

requires(test, "userns", "program:psql", "program:postgres", "program:openssl").serial(
  "psql asks, in clear and over TLS that it begins by itself, and is refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const tls = makeAuthority(box, [names.allowed]);
    const port = await startPostgres(t, box, tls);
    const ask = (host: string, more: string, text: string): readonly string[] => [
      path.join(postgresFolders()[0] ?? "", "psql"),
      `host=${host} port=${port} user=tester dbname=postgres connect_timeout=5 ${more}`,
      ...["--no-psqlrc", "--tuples-only", "--no-align", "--command", text],
    ];
    const used =
      "select case when ssl then 'encrypted' else 'clear' end from pg_stat_ssl where pid = pg_backend_pid()";
    const asked = [
      ask(names.allowed, "sslmode=disable", used),
      // Its SSLRequest comes before the hello, and the server's consent between the two.
      ask(names.allowed, `sslmode=verify-full sslrootcert=${tls.file}`, used),
      // More than a buffer in each direction.
      ask(names.allowed, "sslmode=disable", `select length('${"x".repeat(60_000)}' || repeat('y', 40000))`),
      ask(
        names.allowed,
        "sslmode=disable",
        "select length(string_agg(n::text, ',')) from generate_series(1, 200000) n",
      ),
    ];
    const script = asked.map(quoted).join(" && ");
    const denied = ask(names.denied, "sslmode=prefer", "select 1");
    const end = await runNetworked(t, box, allowedThenDenied(["sh", "-c", script], denied), {
      network: allowing([names.allowed], [port]),
    });
    assertAllowedThenDenied(t, end, "clear\nencrypted\n100000\n1288894");
    t.is(end.of("net.close").length, asked.length);
  },
);

requires(test, "userns", "program:npm").serial(
  "npm installs from a registry, and is refused at once",
  async (t) => {
    const box = withClients(scratch(t));
    const registry = makeRegistry(box);
    const { port } = await listenOnBoth(t, () => createServer(registry));
    const npm = (host: string): string =>
      [
        `mkdir -p /tmp/app-${host} && cd /tmp/app-${host} && echo '{"name":"app","version":"1.0.0"}' >package.json`,
        `npm install --silent --no-audit --no-fund --no-update-notifier --fetch-retries=0 --registry http://${host}:${port}/ left`,
        "node -p \"require('left')\"",
      ].join(" && ");
    const call = (host: string): readonly string[] => ["sh", "-c", npm(host)];
    const end = await runNetworked(t, box, allowedThenDenied(call(names.allowed), call(names.denied)), {
      network: allowing([names.allowed], [port]),
    });
    assertAllowedThenDenied(t, end, "7");
  },
);

/** Prints what the first prints, and how each ended and how long that took. */
function allowedThenDenied(allowed: readonly string[], denied: readonly string[]): readonly string[] {
  const timed = (title: string, argv: readonly string[]): string =>
    `started=$(date +%s%N); ${quoted(argv)}; echo "${title} $? after $((($(date +%s%N) - started) / 1000000)) ms"`;
  return ["sh", "-c", `${timed("status", allowed)}\n${timed("denied status", denied)}`];
}

function quoted(argv: readonly string[]): string {
  return argv.map((argument) => `'${argument.replaceAll("'", "'\\''")}'`).join(" ");
}

function assertAllowedThenDenied(
  t: ExecutionContext,
  { stdout, stderr, of, result }: NetworkedEnd,
  expected: string,
  { deniedStatus }: { deniedStatus?: number } = {},
): void {
  const found = /^(.*)\nstatus 0 after (\d+) ms\n.*denied status (\d+) after (\d+) ms\n$/s.exec(stdout);
  t.is(found?.[1]?.trimEnd(), expected, `${stdout}${stderr}`);
  if (deniedStatus === undefined) t.not(found?.[3], "0", stdout);
  // The program's own start takes what it takes, also on a small or a busy machine.
  t.true(Number(found?.[4]) < 2 * Number(found?.[2]) + 1000, stdout);
  const denial = of("net.dns").find(({ verdict }) => verdict === "deny");
  t.like(denial, { name: names.denied, rule: "default" }, "the denial is on record");
  t.regex(denial?.hint ?? "", /^network\.egress: \[\{ to: \["denied\.test"\], ports: \[443\] \}\]$/);
  t.true(result.network.denied > 0);
}

function withClients(box: Scratch): Scratch {
  for (const name of ["client.py", "client.mjs", "Client.java"]) {
    copyFileSync(fixture(`network/${name}`), path.join(box.work, name));
  }
  return box;
}

function compileClient(box: Scratch): void {
  const args = ["-O1", "-static", "-o", path.join(box.work, "client"), fixture("network/client.c")];
  const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
}

/** Makes SERVED/origin.git, a bare repository with one file, ready to be served as files; returns SERVED. */
function makeRepository(box: Scratch): string {
  const served = box.directory("served");
  const script = [
    "set -e",
    "git init -q -b main source && cd source && git config user.email a@b && git config user.name n",
    "echo content >file && git add file && git commit -qm first",
    `git clone -q --bare . ${served}/origin.git && cd ${served}/origin.git && git update-server-info`,
  ].join("\n");
  const { status, stderr } = spawnSync("sh", ["-c", script], {
    cwd: box.path,
    env: { PATH: process.env["PATH"], HOME: box.home },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return served;
}

function serveFiles(root: string): RequestListener {
  return (request, response) => {
    const file = path.join(root, new URL(request.url ?? "/", "http://host").pathname);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  };
}

/** One package, as a registry tells of it and as a tarball. */
function makeRegistry(box: Scratch): RequestListener {
  const source = box.directory("left");
  box.file("left/package.json", JSON.stringify({ name: "left", version: "1.0.0" }));
  box.file("left/index.js", "module.exports = 7;\n");
  const { stdout, stderr, status } = spawnSync("npm", ["pack", "--silent"], {
    cwd: source,
    env: { PATH: process.env["PATH"], HOME: box.home },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const tarball = readFileSync(path.join(source, stdout.trim()));
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  return ({ url, headers }, response) => {
    if (url === "/left/-/left-1.0.0.tgz") {
      response.end(tarball);
    } else if (url === "/left") {
      const dist = { tarball: `http://${headers.host ?? ""}/left/-/left-1.0.0.tgz`, integrity };
      const versions = { "1.0.0": { name: "left", version: "1.0.0", dist } };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ name: "left", "dist-tags": { latest: "1.0.0" }, versions }));
    } else {
      response.writeHead(404).end();
    }
  };
}

/** Runs sshd as this caller, for this caller's key alone; returns its port. */
async function startSshServer(t: ExecutionContext, box: Scratch): Promise<number> {
  const port = await closedPort();
  for (const key of ["host_key", "work/key"]) {
    const made = spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", box.at(key)], {
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  // Where a root's sshd goes without privileges; Debian makes it when it starts the service.
  if (process.geteuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const config = box.file(
    "sshd_config",
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${box.at("host_key")}`,
      `AuthorizedKeysFile ${box.at("work/key.pub")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "LogLevel INFO",
    ].join("\n"),
  );
  const server = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
  t.teardown(() => server.kill("SIGKILL"));
  await lineOf(server.stderr, /Server listening/);
  return port;
}

/** A server for whoever comes, with TLS for who asks for it, as an ordinary user, which it insists on; returns its port. */
async function startPostgres(t: ExecutionContext, box: Scratch, tls: Authority): Promise<number> {
  const port = await closedPort();
  const data = box.directory("postgres");
  const user: Partial<Owner> = process.geteuid?.() === 0 ? ownerNamed("postgres") : {};
  const { uid, gid } = user;
  if (uid !== undefined && gid !== undefined) {
    // What leads there is the caller's alone.
    chownSync(data, uid, gid);
    chmodSync(box.path, 0o711);
  }
  const made = spawnSync(
    path.join(postgresFolders()[0] ?? "", "initdb"),
    ["--auth=trust", "--username=tester", "--no-sync", "--locale=C", "--encoding=UTF8", "--pgdata", data],
    { encoding: "utf8", cwd: "/", ...user },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stdout}${made.stderr}`);
  for (const [name, bytes] of [
    ["server.key", tls.key],
    ["server.crt", tls.cert],
  ] as const) {
    writeFileSync(path.join(data, name), bytes, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined) chownSync(path.join(data, name), uid, gid);
  }
  const settings = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "ssl=on",
    "fsync=off",
    "unix_socket_directories=",
  ];
  const server = spawn(
    path.join(postgresFolders()[0] ?? "", "postgres"),
    ["-D", data, ...settings.flatMap((setting) => ["-c", setting])],
    { stdio: ["ignore", "ignore", "pipe"], cwd: "/", ...user },
  );
  // SIGQUIT: at once, and its processes with it.
  t.teardown(async () => {
    server.kill("SIGQUIT");
    await once(server, "exit");
  });
  await lineOf(server.stderr, /ready to accept connections/);
  return port;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function ownerNamed(name: string): Owner {
  const [uid = 0, gid = 0] = ["-u", "-g"].map((which) =>
    Number(spawnSync("id", [which, name], { encoding: "utf8" }).stdout),
  );
  if (uid === 0 || gid === 0) throw new Error(`there is no user ${name}`);
  return { uid, gid };
}

async function lineOf(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<void> {
  let text = "";
  for await (const chunk of stream) {
    text += String(chunk);
    if (pattern.test(text)) return void stream.on("data", () => undefined).resume();
  }
  throw new Error(text);
}
