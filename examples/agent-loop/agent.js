// An agent's tool loop: the model asks for commands, a sandbox that is kept runs them, and what they say goes back.
// The model here is a script, so that the example runs anywhere; put a call of your provider's in its place.
import { sandbox } from "skillbox";

const script = [
  "printf 'city,population\\nOslo,717710\\nBergen,291940\\n' > /tmp/cities.csv",
  "awk -F, 'NR > 1 { sum += $2 } END { print sum }' /tmp/cities.csv",
  "cat /etc/shadow; ls ~/.ssh",
  "exec 3<>/dev/tcp/198.51.100.7/80 || wget -q -O- --timeout=5 --tries=1 http://198.51.100.7/",
];

/** What a model does: looks at what was said so far, and asks for the next command, or for none. */
async function model(conversation) {
  return script[conversation.filter(({ role }) => role === "tool").length];
}

const box = await sandbox.create({
  policy: { version: 1, resources: { pids: 64, wallTime: "10s", output: "64KiB" } },
  events: true,
});

const refused = [];
const watching = (async () => {
  for await (const event of box.events) {
    if (event.verdict?.endsWith("deny")) refused.push(event);
  }
})();

const conversation = [];
for (let command; (command = await model(conversation)) !== undefined;) {
  const result = await box.exec(["bash", "-c", command]);
  const said = (result.stdout + result.stderr).trim();
  console.log(`$ ${command}\n${said}\n[${result.outcome}, ${result.exitCode}]\n`);
  conversation.push({ role: "tool", content: said, isError: result.exitCode !== 0 });
}

const { audit } = await box.close();
await watching;
console.log(`${audit.events} events on record; refused by us or by the kernel:`);
for (const { type, comm, args, rule } of refused) {
  console.log(`  ${type} by ${comm}: ${JSON.stringify(args)} (${rule})`);
}
