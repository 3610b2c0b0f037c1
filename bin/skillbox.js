#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/bundle/cli/main.js", import.meta.url);

try {
  await import(main.href);
} catch (error) {
  if (existsSync(main)) throw error;
  process.stderr.write(
    "skillbox: error: the command line tool is not built\n" +
      "  hint: run `npm ci` in the checkout, or `npm run build` after a change\n",
  );
  process.exitCode = 125;
}
