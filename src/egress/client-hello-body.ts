import { normalizeHostName } from "./authority.js";
import { HelloError, VectorReader } from "./client-hello-reader.js";

export interface ClientHello {
  /** In lower case; undefined where the client sends none. */
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
  /** Encrypted ClientHello or GREASE that looks like it; the true name, if there is one, cannot be seen (RFC 9849). */
  readonly hasEncryptedClientHello: boolean;
  /** Application data may follow before the server has said anything (RFC 8446, section 4.2.10). */
  readonly offersEarlyData: boolean;
}

/** IANA's TLS ExtensionType values. */
const serverNameExtension = 0;
const alpnExtension = 16;
const earlyDataExtension = 42;
/** RFC 9849, and ESNI before it. */
const encryptedExtensions = [0xfe0d, 0xffce];

/** The body of a ClientHello (RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2). Throws a HelloError. */
export function readClientHello(body: Buffer): ClientHello {
  const hello = new VectorReader(body);
  if (hello.number(2) >> 8 !== 3) throw new HelloError("the version is not one of TLS");
  hello.take(32);
  if (hello.vector(1).length > 32) throw new HelloError("the session id is longer than 32");
  if (hello.vector(2, 2).length % 2 !== 0) throw new HelloError("half a cipher suite");
  hello.vector(1, 1);
  // Extensions are optional before TLS 1.3.
  const extensions = readExtensions(hello.done ? Buffer.alloc(0) : hello.vector(2));
  if (!hello.done) throw new HelloError("bytes after the extensions");
  const names = extensions.get(serverNameExtension);
  const protocols = extensions.get(alpnExtension);
  return {
    serverName: names === undefined ? undefined : readServerName(names),
    alpn: protocols === undefined ? [] : readProtocols(protocols),
    hasEncryptedClientHello: encryptedExtensions.some((type) => extensions.has(type)),
    offersEarlyData: extensions.has(earlyDataExtension),
  };
}

function readExtensions(bytes: Buffer): Map<number, Buffer> {
  const reader = new VectorReader(bytes);
  const extensions = new Map<number, Buffer>();
  while (!reader.done) {
    const type = reader.number(2);
    const content = reader.vector(2);
    // RFC 8446, section 4.2: at most one of each; of two names a server may take the other one.
    if (extensions.has(type)) throw new HelloError(`extension ${type} appears twice`);
    extensions.set(type, content);
  }
  return extensions;
}

/** RFC 6066, section 3: one entry, of type host_name, without a trailing dot. */
function readServerName(content: Buffer): string {
  const outer = new VectorReader(content);
  const list = new VectorReader(outer.vector(2, 1));
  if (!outer.done) throw new HelloError("bytes after the server names");
  if (list.number(1) !== 0) throw new HelloError("the server name is no host name");
  const name = normalizeHostName(list.vector(2, 1).toString("latin1"));
  if (!list.done) throw new HelloError("more than one server name");
  if (name === undefined) throw new HelloError("the server name is not a valid host name");
  return name;
}

/** RFC 7301, section 3.1. */
function readProtocols(content: Buffer): string[] {
  const outer = new VectorReader(content);
  const list = new VectorReader(outer.vector(2, 2));
  if (!outer.done) throw new HelloError("bytes after the protocols");
  const protocols: string[] = [];
  while (!list.done) protocols.push(list.vector(1, 1).toString("latin1"));
  return protocols;
}
