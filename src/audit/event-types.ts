/** Types of the calls that mean nothing but themselves; net.connect is the other one. Kept equal to signatures.ts by a test. */
export const callTypes = [
  "process.exec",
  "process.signal",
  "file.open",
  "file.create",
  "file.delete",
  "file.rename",
  "file.link",
  "file.symlink",
  "file.mkdir",
  "file.truncate",
  "file.attributes",
  "net.socket",
  "net.bind",
  "net.listen",
  "net.accept",
  "net.send",
  "privilege",
  "syscall",
] as const;

/** Every type of event, apart from the schema so that the reader does not have to load zod. */
export const eventTypes: readonly string[] = [
  "run.start",
  ...callTypes,
  "net.connect",
  "net.dns",
  "net.tls",
  "net.http",
  "net.close",
  "process.exit",
  "resource.limit",
  "audit.gap",
  "program.end",
  "run.end",
];
