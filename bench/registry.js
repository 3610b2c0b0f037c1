/** An npm registry for the workloads, on loopback, in a process of its own: a few dozen packages that it makes up itself. */
import { spawnSync, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const packages = 40;
const filesEach = 12;
const name = (/** @type {number} */ index) => `bench-package-${index}`;

/** @param {string} folder for the packages */
export async function startRegistry(folder) {
  const child = fork(import.meta.filename, [folder], { execArgv: [] });
  const [port] = await once(child, "message");
  return {
    port: Number(port),
    url: `http://127.0.0.1:${port}/`,
    /** What a project depends on to get all of them. */
    dependencies: { [name(0)]: "1.0.0" },
    stop: () => child.kill(),
  };
}

/** Package n depends on 3n+1, 3n+2 and 3n+3: a tree of four floors. @param {string} folder */
function serve(folder) {
  const made = Array.from({ length: packages }, (_, index) => makePackage(folder, index));
  const server = createServer((request, response) => {
    const [, index, tarball] = /^\/bench-package-(\d+)(\/-\/.+\.tgz)?$/.exec(request.url ?? "") ?? [];
    const found = made[Number(index)];
    if (found === undefined) response.writeHead(404).end("{}");
    else if (tarball !== undefined) response.end(found.archive);
    else
      response.setHeader("content-type", "application/json").end(found.document(request.headers.host ?? ""));
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.send?.(typeof address === "object" ? address?.port : undefined);
  });
  process.once("disconnect", () => process.exit());
}

/** @param {string} folder @param {number} index */
function makePackage(folder, index) {
  const root = path.join(folder, `${index}`);
  mkdirSync(path.join(root, "package/lib"), { recursive: true });
  const below = [3 * index + 1, 3 * index + 2, 3 * index + 3].filter((child) => child < packages);
  const manifest = {
    name: name(index),
    version: "1.0.0",
    dependencies: Object.fromEntries(below.map((child) => [name(child), "1.0.0"])),
  };
  writeFileSync(path.join(root, "package/package.json"), JSON.stringify(manifest));
  for (let file = 0; file < filesEach; file++) {
    writeFileSync(path.join(root, `package/lib/${file}.js`), `exports.value = ${file};\n`.repeat(200));
  }
  const archive = path.join(root, "package.tgz");
  const { status, stderr } = spawnSync("tar", ["-czf", archive, "-C", root, "package"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  const bytes = readFileSync(archive);
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  return {
    archive: bytes,
    document: (/** @type {string} */ host) =>
      JSON.stringify({
        name: manifest.name,
        "dist-tags": { latest: "1.0.0" },
        versions: {
          "1.0.0": {
            ...manifest,
            dist: { integrity, tarball: `http://${host}/${manifest.name}/-/package.tgz` },
          },
        },
      }),
  };
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) serve(folder);
