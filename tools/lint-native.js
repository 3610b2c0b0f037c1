/** Checks the C++ sources with clang-format, where it is installed; CI must have it. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const sources = readdirSync(path.join(root, "native"), { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(cc|h)$/.test(file))
  .map((file) => path.join("native", file));

const { error, status } = spawnSync("clang-format", ["--dry-run", "-Werror", ...sources], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
});
if (error === undefined) {
  process.exitCode = status ?? 1;
} else {
  console.log(`clang-format cannot run (${error.message}): native/ was not checked.`);
  process.exitCode = process.env["CI"] === undefined ? 0 : 1;
}
