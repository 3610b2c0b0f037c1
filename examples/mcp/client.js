// The same MCP server three times: as it is, behind `skillbox exec`, and in a sandbox of the client's own.
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { sandbox } from "skillbox";
import { SandboxTransport } from "./transport.js";

const folder = fileURLToPath(new URL(".", import.meta.url));
const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
const cli = fileURLToPath(new URL("../../bin/skillbox.js", import.meta.url));

// What a curious server would like to talk to.
const neighbour = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
await once(neighbour, "listening");
const server = ["node", `${folder}server.js`, String(neighbour.address().port)];
const env = { ...process.env, API_TOKEN: "s3cret" };

async function ask(title, transport) {
  const client = new Client({ name: "example", version: "1.0.0" });
  await client.connect(transport);
  const call = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
  console.log(`${title}\n  count: ${await call("count", { text: "all that glisters is not gold" })}`);
  for (const line of (await call("diagnose", {})).split("\n")) console.log(`  ${line}`);
  await client.close();
}

await ask("as it is", new StdioClientTransport({ command: "node", args: server.slice(1), env }));

const wrapped = [cli, "exec", "--read", folder, "--read", modules, "--", ...server];
await ask("behind skillbox exec", new StdioClientTransport({ command: "node", args: wrapped, env }));

const policy = { version: 1, filesystem: { read: [folder, modules] } };
const streams = { stdin: "pipe", stdout: "pipe", stderr: "inherit" };
await ask(
  "in a sandbox of our own",
  new SandboxTransport(() => sandbox({ policy, argv: server, cwd: folder, env, ...streams })),
);
neighbour.close();
