/** Every fuzzer of test/fuzz in turn: npm run fuzz -- [SECONDS], each that long (five minutes). */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const folder = path.resolve(import.meta.dirname, "../dist/test/fuzz");
const seconds = process.argv[2] ?? "300";

for (const name of readdirSync(folder).filter((file) => file.endsWith(".js"))) {
  console.log(`==> ${name}`);
  const { status } = spawnSync(process.execPath, [path.join(folder, name), "--seconds", seconds], {
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
