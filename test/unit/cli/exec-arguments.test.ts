import test from "ava";
import { Command, CommanderError } from "commander";
import fc from "fast-check";
import { addExec } from "../../../src/cli/command-line.js";
import { execOptions, readExecArguments } from "../../../src/cli/exec-arguments.js";

/** How commander reads it; undefined where that ends in a message. */
async function byCommander(args: readonly string[]): Promise<unknown> {
  const program = new Command("skillbox").enablePositionalOptions().exitOverride();
  program.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  let read: unknown;
  addExec(program, async (argv, options) => {
    read = { argv, options };
    return Promise.resolve();
  });
  for (const command of program.commands) {
    command.exitOverride();
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  }
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return undefined;
  }
  return read;
}

/** Without what is not there, in one way or another. */
function plain(value: unknown): unknown {
  const known = value ?? "nothing";
  return JSON.parse(JSON.stringify(known, (_, member: unknown) => (member === false ? undefined : member)));
}

const spellings = execOptions.flatMap(({ flags }) => flags.replace(/ <.*/, "").split(", "));
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...spellings) },
  { weight: 3, arbitrary: fc.constantFrom(...spellings).map((flag) => `${flag}=value`) },
  { weight: 3, arbitrary: fc.constantFrom("true", "a b", "", "1", "a=b", "exec", "help") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "--",
      "-",
      "--help",
      "-h",
      "-pfile",
      "-p=",
      "--no-commit",
      "--policy=",
      "--reed",
      "-x",
    ),
  },
);

test("what it reads, commander reads in the same way", async (t) => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 7 }), async (words) => {
      const args = ["exec", ...words];
      const own = readExecArguments(args);
      if (own === undefined) return;
      read++;
      t.deepEqual(plain(own), plain(await byCommander(args)), args.join(" "));
    }),
    { numRuns: 3000 },
  );
  t.true(read > 300, `${read} of 3000 were read`);
});

test("it reads what people write", (t) => {
  for (const line of [
    "exec true",
    "exec -- true",
    "exec --policy p.yaml -- python3 main.py --policy other",
    "exec -p p.yaml --read /a --read=/b --allow pypi.org --env A=1 --memory 1GiB --audit r.jsonl sh -c exit",
    "exec -C /tmp --commit --overlay . -- make -j 2",
  ]) {
    t.truthy(readExecArguments(line.split(" ")), line);
  }
});

test("it leaves the rest to commander", (t) => {
  for (const line of [
    "exec",
    "exec --",
    "exec --help",
    "exec --reed /x -- true",
    "exec --policy",
    "policy check",
    "exec -pfile -- true",
  ]) {
    t.is(readExecArguments(line.split(" ")), undefined, line);
  }
});
