import { once } from "node:events";
import net from "node:net";

export interface LoopbackPair {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

/** Both ends of a TCP connection on loopback, half-open capable, nothing read yet. */
export async function connectPair(client = new net.Socket({ allowHalfOpen: true })): Promise<LoopbackPair> {
  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const port = await listen(listener);
  const accepted = new Promise<net.Socket>((resolve) => {
    listener.once("connection", resolve);
  });
  client.on("error", ignore).connect(port, "127.0.0.1");
  const [server] = await Promise.all([accepted, once(client, "connect")]);
  server.on("error", ignore);
  listener.close();
  return { client, server };
}

export async function listen(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

/** Everything until FIN, or the errno of what came instead. */
export async function readAll(
  socket: net.Socket,
): Promise<{ readonly text: string; readonly error?: string }> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  const text = (): string => Buffer.concat(chunks).toString("latin1");
  return await new Promise((resolve) => {
    // An RST together with bytes is an end to libuv; the write then fails.
    socket.once("end", () => {
      if (socket.writable) socket.write(Buffer.alloc(0), (error) => !error && resolve({ text: text() }));
      else resolve({ text: text() });
    });
    socket.once("error", (error) =>
      resolve({ text: text(), error: "code" in error ? String(error.code) : "" }),
    );
    if (socket.destroyed) resolve({ text: "", error: "destroyed" });
  });
}

function ignore(): void {
  // The test looks at "close".
}
