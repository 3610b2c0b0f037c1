import { Command, CommanderError } from "commander";
import { SkillboxError } from "../errors.js";
import { version } from "../package-root.js";
import type { AuditOptions } from "./audit.js";
import type { PolicyOptions } from "./exec-options.js";
import type { ExecOptions } from "./exec.js";
import { exitStatus, statusOfError } from "./exit-status.js";
import { printError } from "./print-error.js";

/** Each verb loads its own code: `exec` must not wait for what it does not need. */
async function main(): Promise<number> {
  let status = 0;
  const program = new Command("skillbox")
    .description("Run a program that nobody trusts yet, under one policy, with every attempt on record.")
    .version(version())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "skillbox: error: ")) });

  withPolicyOptions(program.command("exec"))
    .description("run a program in a sandbox")
    .option("--audit <file>", "write the audit record to a file, as JSON Lines")
    .option("--commit", "apply what the program changed in overlays to the host, if it ends with status 0")
    .option("--report <file>", "write the result of the run to a file, as JSON")
    .argument("<command>", "the program; nothing after it is read as an option of skillbox")
    .argument("[args...]", "its arguments")
    .passThroughOptions()
    .addHelpText(
      "after",
      "\nExit status: the program's; 128+n if signal n ended it; 124 time limit; 125 skillbox could not set up;\n126 cannot execute; 127 not found; 137 out of memory.",
    )
    .action(async (command: string, args: string[], options: ExecOptions) => {
      const { exec } = await import("./exec.js");
      status = await exec([command, ...args], options);
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
  withPolicyOptions(policy.command("explain"))
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
  withPolicyOptions(policy.command("seccomp"))
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
    .command("doctor")
    .description("find out what this host allows, and how to mend what is missing")
    .option("--json", "as JSON", false)
    .action(async (options: { json: boolean }) => {
      const { doctor } = await import("./doctor.js");
      status = await doctor(options, process.stdout);
    });

  await program.parseAsync();
  return status;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function withPolicyOptions(command: Command): Command {
  return command
    .option("-p, --policy <file>", "policy file; without one: no network, the working directory read-only")
    .option("--read <path>", "show a file or directory read-only", collect, [])
    .option("--write <path>", "let the program write to it", collect, [])
    .option("--overlay <dir>", "let the program write to a copy of it", collect, [])
    .option("--deny <path>", "hide it, inside a grant too", collect, [])
    .option("--allow <host[:port]>", "let the program reach a host; port 443 unless given", collect, [])
    .option("--env <name[=value]>", "pass a variable on, or set one", collect, [])
    .option("--memory <size>", "limit of memory: 512MiB")
    .option("--cpus <number>", "limit of CPU time per second: 1.5")
    .option("--timeout <time>", "limit of wall time: 60s")
    .option("-C, --directory <dir>", "working directory");
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitStatus.setUp;
  } else if (error instanceof SkillboxError) {
    printError(error);
    process.exitCode = statusOfError(error);
  } else {
    // Not to be taken for the program's own exit status.
    printError(
      new SkillboxError(
        "ERR_INTERNAL",
        error instanceof Error ? (error.stack ?? error.message) : String(error),
        {
          hint: "this is a fault of skillbox; please report it",
        },
      ),
    );
    process.exitCode = exitStatus.setUp;
  }
}
// What may still be open (a terminal that nobody reads from, a pump that the program left behind) is not waited for.
process.exit();
