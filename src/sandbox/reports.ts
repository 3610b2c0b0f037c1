import { constants } from "node:os";

/** What skillbox-init says, decoded (native/init/report.h). */
export type InitReport =
  | ({ readonly type: "error" } & InitFailure)
  | { readonly type: "spawned"; readonly pid: number; readonly outsideUid: number }
  | { readonly type: "upper"; readonly operation: number }
  | { readonly type: "ready"; readonly layers: readonly string[] }
  | { readonly type: "listener"; readonly process: number }
  | ({ readonly type: "exec-failed"; readonly process: number } & InitFailure)
  | ({ readonly type: "exited" } & ExitReport)
  /** Sockets on port 53. */
  | { readonly type: "resolver" }
  /** Unbound sockets. */
  | { readonly type: "sockets"; readonly family: 4 | 6; readonly protocol: "tcp" | "udp" }
  /** A file, or why there is none: "ENOENT". */
  | { readonly type: "opened"; readonly request: number; readonly errno: string | undefined }
  | { readonly type: "terminal"; readonly process: number };

export interface InitFailure {
  readonly stage: string;
  readonly operation: string;
  readonly subject: string;
  /** "EPERM". */
  readonly errno: string;
}

export interface ExitReport {
  readonly process: number;
  /** Exit status, or the signal that ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly reason: "own" | "wallTime" | "cpuTime";
  readonly wallTimeMs: number;
  readonly userTimeMs: number;
  readonly systemTimeMs: number;
  readonly maxRssBytes: number;
}

export function decodeReport(message: Uint8Array): InitReport {
  const read = new ReportReader(message);
  const type = read.u32();
  switch (type) {
    case 1:
      return { type: "error", ...readFailure(read) };
    case 2:
      return { type: "spawned", pid: read.u32(), outsideUid: read.u32() };
    case 3:
      return { type: "upper", operation: read.u32() };
    case 4:
      return { type: "ready", layers: Array.from({ length: read.u32() }, () => read.string()) };
    case 5:
      return { type: "listener", process: read.u32() };
    case 6:
      return { type: "exec-failed", process: read.u32(), ...readFailure(read) };
    case 7:
      return { type: "exited", ...readExit(read) };
    case 8:
      return { type: "resolver" };
    case 9:
      return {
        type: "sockets",
        family: read.u32() === familyNumbers[6] ? 6 : 4,
        protocol: read.u32() === socketTypes.udp ? "udp" : "tcp",
      };
    case 10:
      return { type: "opened", request: read.u32(), errno: errnoOf(read.u32()) };
    case 11:
      return { type: "terminal", process: read.u32() };
    default:
      throw new RangeError(`unknown report ${type} from skillbox-init`);
  }
}

/** The first message, with the launch plan beside it; its bytes say nothing. */
export function encodeSetUpRequest(): Uint8Array {
  return words(0);
}

/** exec, with the process plan and, unless that asks for a terminal, descriptors 0-2 beside it. */
export function encodeExecRequest(): Uint8Array {
  return words(1);
}

export function encodeSignalRequest(process: number, signal: number, group: boolean): Uint8Array {
  return words(2, process, signal, group ? 1 : 0);
}

export function encodeSocketsRequest(family: 4 | 6, protocol: "tcp" | "udp", count: number): Uint8Array {
  return words(3, familyNumbers[family], socketTypes[protocol], count);
}

/** A regular file, to be read or to be written from its beginning. */
export function encodeOpenRequest(request: number, path: string, toWrite: boolean): Uint8Array {
  return Buffer.concat([words(4, request, toWrite ? 1 : 0), Buffer.from(path)]);
}

/** AF_INET and AF_INET6 (linux/socket.h). */
const familyNumbers = { 4: 2, 6: 10 } as const;
/** SOCK_STREAM and SOCK_DGRAM (linux/net.h). */
const socketTypes = { tcp: 1, udp: 2 } as const;

function words(...values: readonly number[]): Uint8Array {
  const message = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => message.writeUInt32LE(value, index * 4));
  return message;
}

function readFailure(read: ReportReader): InitFailure {
  const [stage, operation, subject, errno] = [read.string(), read.string(), read.string(), read.u32()];
  return { stage, operation, subject, errno: nameOf(constants.errno, errno) };
}

function readExit(read: ReportReader): ExitReport {
  const process = read.u32();
  const exitedByItself = read.u32() === 1; // CLD_EXITED (asm-generic/siginfo.h)
  const status = read.u32();
  const reason = (["own", "wallTime", "cpuTime"] as const)[read.u32()] ?? "own";
  return {
    process,
    exitCode: exitedByItself ? status : undefined,
    signal: exitedByItself ? undefined : nameOf(constants.signals, status),
    reason,
    wallTimeMs: read.u64() / 1000,
    userTimeMs: read.u64() / 1000,
    systemTimeMs: read.u64() / 1000,
    maxRssBytes: read.u64(),
  };
}

function errnoOf(number: number): string | undefined {
  return number === 0 ? undefined : nameOf(constants.errno, number);
}

/** The first name of a number, or the number itself. */
function nameOf(table: object, number: number): string {
  const named = Object.entries(table).find(([, value]) => value === number);
  return named === undefined ? String(number) : named[0];
}

class ReportReader {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(message: Uint8Array) {
    this.#buffer = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }

  u32(): number {
    this.#position += 4;
    return this.#buffer.readUInt32LE(this.#position - 4);
  }

  /** Exact up to 2^53: microseconds for 285 years, bytes up to 8 PiB. */
  u64(): number {
    this.#position += 8;
    return Number(this.#buffer.readBigUInt64LE(this.#position - 8));
  }

  string(): string {
    const length = this.u32();
    this.#position += length;
    return this.#buffer.toString("utf8", this.#position - length, this.#position);
  }
}
