// A code interpreter: files go in, a model's Python runs on them, files come out; what one step leaves the next one finds.
import { sandbox } from "skillbox";

const box = await sandbox.create({
  policy: {
    version: 1,
    resources: { wallTime: "20s", cpuTime: "10s" },
    environment: { set: { PYTHONDONTWRITEBYTECODE: "1" } },
  },
  programs: ["python3"],
});

await box.writeFile("/tmp/temperatures.json", JSON.stringify({ Mon: 11.5, Tue: 14, Wed: 9.25 }));

const steps = [
  `import json
days = json.load(open("/tmp/temperatures.json"))
warmest = max(days, key=days.get)
print(f"{warmest}: {days[warmest]}")
json.dump(sorted(days.values()), open("/tmp/sorted.json", "w"))`,
  `import json
values = json.load(open("/tmp/sorted.json"))
print("mean", sum(values) / len(values))
open("/tmp/report.md", "w").write(f"# Temperatures\\n\\n{len(values)} days\\n")`,
  `import socket
try:
    socket.create_connection(("pypi.org", 443), timeout=5)
except OSError as error:
    print("no network:", error)`,
  "while True: pass",
];

for (const [index, code] of steps.entries()) {
  const run = box.exec(["python3", "-"], { input: code, wallTimeMs: 2000 });
  const { outcome, exitCode, stdout, stderr } = await run;
  console.log(`step ${index + 1}: ${outcome} ${exitCode ?? ""}\n${stdout}${stderr}`);
}

console.log(String(await box.readFile("/tmp/report.md")));
await box.close();
