import type net from "node:net";

/** How long a program may take to read a last answer and to stop sending. */
const lingerMs = 1000;

/** Ends a connection by RST, so that the peer cannot take it for a complete one. */
export function resetSocket(socket: net.Socket): void {
  if (socket.destroyed) return;
  // libuv cannot reset while a shutdown(2) is under way, and node would then lose the handle: that lasts one turn of the loop.
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    setImmediate(() => {
      if (socket.writableFinished) resetSocket(socket);
      else socket.destroy();
    });
    return;
  }
  try {
    socket.resetAndDestroy();
  } catch {
    // A Unix socket has no RST.
    socket.destroy();
  }
}

/**
 * Goes on where the peer has sent FIN. Bytes and an RST that are polled at once reach us as bytes and an end (libuv's uv__stream_io
 * takes POLLHUP after a short read for EOF), and a cut answer would pass for a whole one. Writing nothing tells the two apart:
 * send(2) fails on a connection that was reset, and the socket then emits its error.
 */
export function ifNotReset(socket: net.Socket, proceed: () => void): void {
  if (!socket.writable || socket.writableLength > 0) proceed();
  else
    socket.write(nothing, (error) => {
      if (error === undefined || error === null) proceed();
    });
}

const nothing = Buffer.alloc(0);

/** Lets the kernel take what is still to be written, then resets: what came before an RST arrives before it. */
export function resetAfterWrites(socket: net.Socket): void {
  if (socket.writableLength === 0 || socket.writableEnded) resetSocket(socket);
  else socket.write("", () => resetSocket(socket));
}

/**
 * Closes with a last answer. What the peer still sends is read and dropped for a moment: closing a socket with unread bytes sends
 * an RST, which can overtake the answer. The caller sees to the reading.
 */
export function closeAfter(socket: net.Socket, bytes: Buffer): void {
  if (socket.destroyed) return;
  socket.end(bytes);
  const timer = setTimeout(() => resetSocket(socket), lingerMs).unref();
  socket.once("close", () => clearTimeout(timer));
}
