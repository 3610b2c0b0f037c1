// A transport of the MCP client to a server that runs in a sandbox: JSON-RPC messages, one a line, over its stdin and stdout.
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";

export class SandboxTransport {
  #run;
  #start;

  /** `start` starts the server with `stdin: "pipe"` and `stdout: "pipe"`, and returns its run. */
  constructor(start) {
    this.#start = start;
  }

  async start() {
    this.#run = this.#start();
    const buffer = new ReadBuffer();
    this.#run.stdout.on("data", (chunk) => {
      buffer.append(chunk);
      for (let message; (message = buffer.readMessage()) !== null;) this.onmessage?.(message);
    });
    this.#run.then(
      () => this.onclose?.(),
      (error) => this.onerror?.(error),
    );
  }

  async send(message) {
    await new Promise((resolve, reject) => {
      this.#run.stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** A server ends when its input does; one that does not is made to. */
  async close() {
    this.#run.stdin.end();
    this.#run.kill("SIGTERM", { graceMs: 1000 });
    await this.#run;
  }
}
