import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { openAiShell } from "../../src/adapters/openai-agents.js";
import { aiSdkSandbox } from "../../src/adapters/ai-sdk.js";
import { sandbox } from "../../src/index.js";
import { callerEnvironment } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

const liveTest = requires(test, "userns", "program:python3");
const examples = path.resolve(import.meta.dirname, "../../../examples");

async function output(name: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path.join(examples, name)]);
  return stdout + stderr;
}

liveTest(
  "examples/agent-loop: a model's commands run, and what it should not have is not there",
  async (t) => {
    const said = await output("agent-loop/agent.js");
    t.regex(said, /^1009650\n\[exited, 0\]$/m);
    t.regex(said, /cat: \/etc\/shadow: No such file or directory/);
    t.regex(said, /^ {2}net\.connect by bash: .*198\.51\.100\.7/m);
  },
);

liveTest("examples/code-interpreter: files go in and out, and a step that never ends is ended", async (t) => {
  const said = await output("code-interpreter/interpreter.js");
  t.regex(said, /^step 1: exited 0\nTue: 14$/m);
  t.regex(said, /^step 3: exited 0\nno network: /m);
  t.regex(said, /^step 4: timed-out/m);
  t.regex(said, /^# Temperatures\n\n3 days$/m);
});

liveTest(
  "examples/mcp: a server finds secrets as it is, and none behind the CLI or the library",
  async (t) => {
    const [bare, ...wrapped] = (await output("mcp/client.js")).split(/^(?=behind|in a sandbox)/m);
    t.regex(bare ?? "", /host's loopback: reached\n {2}secret in the environment: s3cret/);
    t.is(wrapped.length, 2);
    for (const said of wrapped) {
      t.regex(said, /^ {2}count: 6\n {2}\/etc\/shadow: ENOENT\n/m);
      t.regex(said, /host's loopback: ECONNREFUSED\n {2}secret in the environment: none/);
    }
  },
);

liveTest("adapters: the AI SDK's sandbox and the OpenAI Agents SDK's shell", async (t) => {
  const box = scratch(t);
  await using session = await sandbox.create({ cwd: box.work, env: callerEnvironment(box) });
  const { run, description } = aiSdkSandbox(session);
  t.true(description.length > 0);
  t.deepEqual(
    await run({ command: "echo $WORD >/tmp/word; cat /tmp/word; echo no >&2; exit 4", env: { WORD: "a b" } }),
    {
      exitCode: 4,
      stdout: "a b\n",
      stderr: "no\n",
    },
  );
  t.like(await run({ command: "pwd", workingDirectory: "/tmp" }), { stdout: "/tmp\n" });
  t.like(await run({ command: "sleep 60", abortSignal: AbortSignal.timeout(50) }), { exitCode: 137 });

  const shell = openAiShell(session);
  const { output: answers } = await shell.run({
    commands: ["cat /tmp/word", "sleep 60", "kill -TERM $$", "head -c 100 /dev/zero | tr '\\0' x"],
    timeoutMs: 300,
    maxOutputLength: 10,
  });
  t.deepEqual(answers, [
    { stdout: "a b\n", stderr: "", outcome: { type: "exit", exitCode: 0 } },
    { stdout: "", stderr: "", outcome: { type: "timeout" } },
    { stdout: "", stderr: "", outcome: { type: "exit", exitCode: 143 } },
    { stdout: "xxxxxxxxxx", stderr: "", outcome: { type: "exit", exitCode: 0 } },
  ]);
});
