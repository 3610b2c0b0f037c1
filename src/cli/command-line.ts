import { Command, CommanderError } from "commander";
import type { ScanCommandOptions } from "./scan.js";
import { version } from "../package-root.js";
import type { AuditOptions } from "./audit.js";
import type { PolicyOptions } from "./exec-options.js";
import type { ServeOptions } from "./serve.js";
import { exitStatus } from "../sandbox/exit-status.js";
import { execOptions, policyOptions, type ExecOptions, type OptionDescription } from "./exec-arguments.js";

/** Carries out a command line, and returns the exit status. Each verb loads its own code. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  let status = 0;
  const program = new Command("skillbox")
    .description("Run a program that nobody trusts yet, under one policy, with every attempt on record.")
    .version(version())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "skillbox: error: ")) });

  addExec(program, async (argv, options) => {
    const { exec } = await import("./exec.js");
    status = await exec(argv, options);
  });

  const policy = program
    .command("policy")
    .description("check, explain and describe policies")
    .enablePositionalOptions();
  policy
    .command("check")
    .description("read policy files and say what is wrong with them")
    .argument("<files...>")
    .action(async (files: string[]) => {
      const { policyCheck } = await import("./policy.js");
      status = policyCheck(files, process.stdout);
    });
  withOptions(policyOptions, policy.command("explain"))
    .description("show what a run under a policy would see and may do on this host, and who enforces it")
    .option("--json", "as JSON", false)
    .argument("[command]", "the program, for what it needs beside the policy", "true")
    .argument("[args...]")
    .passThroughOptions()
    .action(async (command: string, args: string[], options: PolicyOptions & { readonly json: boolean }) => {
      const { policyExplain } = await import("./policy-explain.js");
      status = await policyExplain([command, ...args], options, process.stdout);
    });
  policy
    .command("import")
    .description("turn a Kubernetes NetworkPolicy or CiliumNetworkPolicy into a policy")
    .argument("<file>")
    .action(async (file: string) => {
      const { policyImport } = await import("./policy-import.js");
      status = policyImport(file, process.stdout);
    });
  withOptions(policyOptions, policy.command("seccomp"))
    .description("print the system call filter that a program gets: its bytes, or a listing")
    .option("--disassemble", "as a listing", false)
    .action(async (options: PolicyOptions & { readonly disassemble: boolean }) => {
      const { policySeccomp } = await import("./policy-seccomp.js");
      status = await policySeccomp(options, process.stdout);
    });
  policy
    .command("schema")
    .description("print the JSON Schema of policy files")
    .action(async () => {
      const { policySchema } = await import("./policy.js");
      status = policySchema(process.stdout);
    });

  program
    .command("audit")
    .description("show an audit record as a person reads it: denials first, processes, files, sockets")
    .argument("<file>")
    .option("--type <type>", "only events of a type, or of a kind: net.", collect, [])
    .option("--pid <pid>", "only events of a process")
    .option("--denied", "only what was refused")
    .option("--path <glob>", "only events about a path")
    .option("--limit <lines>", "lines of a section")
    .option("--json", "the events themselves, as JSON Lines")
    .option("-f, --follow", "go on until the run ends")
    .action(async (file: string, options: AuditOptions) => {
      const { audit } = await import("./audit.js");
      status = await audit(file, options, process.stdout);
    });

  program
    .command("build-native")
    .description("build the native part on this machine, where none of the package's fits it")
    .action(async () => {
      const { buildNative } = await import("./build-native.js");
      status = buildNative();
    });

  program
    .command("scan")
    .description("run a skill where nothing leads out, and say what it did")
    .option("--runtime", "by running it", false)
    .option("-p, --policy <file>", "the most that a skill may ask for")
    .option("--baseline <file>", "findings that were accepted, with a reason and an expiry")
    .option("--fail-on <severity>", "from which severity on the exit status is 1", "high")
    .option("--allow-incomplete", "exit with 0 though something could not be exercised", false)
    .option("--timeout <time>", "limit of each run: 5s")
    .option("--suggest-policy <file>", "write the smallest policy under which the runs pass")
    .option("--keep-records <dir>", "keep the audit record of each run, in a folder of the scan's own")
    .option("--json <file>", "write the report as JSON; - is stdout, as for the others")
    .option("--sarif <file>", "… as SARIF 2.1.0")
    .option("--html <file>", "… as a page")
    .option("--junit <file>", "… as JUnit XML")
    .option("--markdown <file>", "… as a job summary")
    .option("--ocsf <file>", "… as OCSF events, JSON Lines")
    .option("--reply <file>", "… as the scanner service replies")
    .option("--annotations <file>", "… as workflow commands for GitHub's runner")
    .option("--audit-log <file>", "… as rows of the registry's audit_log")
    .argument("<directory>", "the skill's folder")
    .addHelpText("after", "\nExit status: 0 clean; 1 findings; 2 usage, host, or incomplete.")
    .action(async (directory: string, options: ScanCommandOptions) => {
      const { scan } = await import("./scan.js");
      status = await scan(directory, options, process.stdout);
    });

  program
    .command("serve")
    .description("serve scans to a skill registry, by HTTP")
    .option("--listen <address:port>", "where; from other machines only with a token", "127.0.0.1:8000")
    .option("--root <dir>", "let callers name skills below it; without one: uploads only", collect, [])
    .option("--token-file <file>", "holds the token that callers have to give")
    .option("-p, --policy <file>", "the most that a skill may ask for")
    .option("--concurrency <number>", "scans at once; half as many as the host has processors")
    .option("--timeout <time>", "limit of a request, waiting included", "300s")
    .option("--upstream <url>", "another scanner of this API, whose findings are merged")
    .option("--upstream-token-file <file>", "holds the token for it")
    .action(async (options: ServeOptions) => {
      const { serve } = await import("./serve.js");
      status = await serve(options);
    });

  program
    .command("doctor")
    .description("find out what this host allows, and how to mend what is missing")
    .option("--json", "as JSON", false)
    .action(async (options: { json: boolean }) => {
      const { doctor } = await import("./doctor.js");
      status = await doctor(options, process.stdout);
    });

  program
    .command("selftest")
    .description("try, on this host, to get out of a sandbox through every layer")
    .option("--json", "as JSON", false)
    .action(async (options: { json: boolean }) => {
      const { selftest } = await import("./selftest.js");
      status = await selftest(options, process.stdout);
    });

  try {
    await program.parseAsync(words, { from: "user" });
    return status;
  } catch (error) {
    // Told by now. Help is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitStatus.setUp;
    throw error;
  }
}

/** `exec`, as exec-arguments.ts reads it too. */
export function addExec(
  program: Command,
  action: (argv: readonly string[], options: ExecOptions) => Promise<void>,
): void {
  withOptions(execOptions, program.command("exec"))
    .description("run a program in a sandbox")
    .argument("<command>", "the program; nothing after it is read as an option of skillbox")
    .argument("[args...]", "its arguments")
    .passThroughOptions()
    .addHelpText(
      "after",
      "\nExit status: the program's; 128+n if signal n ended it; 124 time limit; 125 skillbox could not set up;\n126 cannot execute; 127 not found; 137 out of memory.",
    )
    .action(async (command: string, args: string[], options: ExecOptions) => {
      await action([command, ...args], options);
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function withOptions(options: readonly OptionDescription[], command: Command): Command {
  for (const { flags, help, takes } of options) {
    if (takes === "list") command.option(flags, help, collect, []);
    else command.option(flags, help);
  }
  return command;
}
