import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { callerEnvironment, cli } from "../helpers/exec.js";
import { requiresScan } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

const liveTest = requiresScan(test, "program:bash");

liveTest(
  "what a scan that was killed leaves is cleared by the next one, and not what a living one has",
  async (t) => {
    const box = scratch(t);
    box.file("work/SKILL.md", "---\nname: waits\ndescription: Waits.\n---\n");
    box.file("work/run.sh", "command sleep 30\n");
    box.file("quick/SKILL.md", "---\nname: nothing\ndescription: Does nothing.\n---\n");
    box.file("quick/run.sh", "true\n");
    const temporary = box.directory("tmp");
    const scan = (folder: string) =>
      spawn(process.execPath, [cli, "scan", "--runtime", "--timeout", "60s", box.at(folder)], {
        env: callerEnvironment(box, { TMPDIR: temporary }),
        stdio: "ignore",
      });
    const folders = (): string[] => readdirSync(temporary).filter((name) => /-(scan|sinkhole)-/.test(name));
    const running = async (pid: number | undefined): Promise<string[]> => {
      const own = (): string[] => folders().filter((name) => name.startsWith(`skillbox-${pid}-`));
      // The record is made just before the program starts.
      while (!own().some((name) => existsSync(`${temporary}/${name}/r1/record.jsonl`))) await sleep(20);
      return own();
    };

    const killed = scan("work");
    const stale = await running(killed.pid);
    t.is(stale.length, 2);
    killed.kill("SIGKILL");
    await once(killed, "exit");
    t.deepEqual(folders().sort(), stale.sort());

    const living = scan("work");
    const kept = await running(living.pid);
    const next = scan("quick");
    t.deepEqual(await once(next, "exit"), [0, null]);
    t.deepEqual(folders().sort(), kept.sort());
    living.kill("SIGINT");
    await once(living, "exit");
    t.deepEqual(folders(), []);
  },
);
