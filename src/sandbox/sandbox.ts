import { constants } from "node:os";
import { SkillboxError } from "../errors.js";
import type { Channel, Native } from "../native/binding.js";
import { encodeLaunch, encodeProcess } from "../plan/encode.js";
import type { LaunchPlan, ProcessPlan } from "../plan/launch-plan.js";
import { sourceFacts } from "../plan/source-facts.js";
import { Deferred } from "./deferred.js";
import { endedWithoutReport, launchError, notReceived, processError } from "./launch-error.js";
import { OpenError, fileError } from "./open-error.js";
import {
  decodeReport,
  encodeExecRequest,
  encodeOpenRequest,
  encodeSetUpRequest,
  encodeSignalRequest,
  encodeSocketsRequest,
  type ExitReport,
  type InitReport,
} from "./reports.js";
import { describeSystemError } from "./system-error.js";

export interface SetUp {
  readonly plan: LaunchPlan;
  /** cgroup.procs files to enter (v1), or a directory to clone into (v2). */
  readonly cgroup: { readonly files: readonly string[]; readonly directory: string | undefined };
  /** Takes a program's seccomp listener over. */
  readonly onListener: ((process: number, fd: number) => void) | undefined;
  /** Takes the sockets of a sandbox with egress over. */
  readonly network?: NetworkEnd | undefined;
}

/** Where the sockets of the sandbox's network namespace go. */
export interface NetworkEnd {
  serveResolver(fds: readonly number[]): void;
  addSockets(family: 4 | 6, protocol: "tcp" | "udp", fds: readonly number[]): void;
}

/**
 * One PID 1 and its control socket. Everything inside ends with it, and it ends with this object or this process. It is launched
 * before it is known what is to be in it, since the kernel takes a millisecond to make its namespaces.
 */
export class Sandbox {
  readonly #native: Native;
  readonly #channel: Channel;
  readonly #ready = new Deferred<readonly string[]>();
  readonly #closed = new Deferred<undefined>();
  readonly #dead = new Deferred<undefined>();
  readonly #exits = new Map<number, Deferred<ExitReport>>();
  readonly #terminals = new Map<number, (master: number) => void>();
  readonly #uppers = new Map<number, number>();
  readonly #opening = new Map<number, Deferred<number>>();
  #onListener: SetUp["onListener"];
  #network: NetworkEnd | undefined;
  #nextOpen = 1;
  #pid: number | undefined;
  #failure: Error | undefined;

  private constructor(native: Native, inCgroup: boolean) {
    this.#native = native;
    this.#channel = native.binding.launch(native.initPath, inCgroup, (message, fds, errno) => {
      if (message === undefined) this.#gone(errno);
      else this.#take(message, fds);
    });
  }

  /** To be followed by {@link setUp}, or {@link close}. `inCgroup`: it has to be born in one, so it waits for that. */
  static launch(native: Native, { inCgroup }: { readonly inCgroup: boolean }): Sandbox {
    return new Sandbox(native, inCgroup);
  }

  /** Once. {@link exec} may be called at once. */
  setUp(request: SetUp): void {
    this.#onListener = request.onListener;
    this.#network = request.network;
    const plan = encodeLaunch(request.plan, {
      rootCaller: process.geteuid?.() === 0,
      outside: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
      sources: sourceFacts(request.plan),
      cgroupFiles: request.cgroup.files,
      cgroupDirectory: request.cgroup.directory,
    });
    this.#send(encodeSetUpRequest(), "skillbox-plan", plan, []);
  }

  /** The layers that PID 1 has confirmed. Rejects with ERR_LAUNCH or ERR_HOST when the sandbox does not come up. */
  get ready(): Promise<readonly string[]> {
    return this.#ready.promise;
  }

  /** Resolves when nobody is left at the other end. */
  get closed(): Promise<undefined> {
    return this.#closed.promise;
  }

  /** Pid of PID 1 in this process's namespace, once it is there. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Descriptors of the upper directories of overlays, by index in the plan's operations. Owned by the sandbox. */
  get uppers(): ReadonlyMap<number, number> {
    return this.#uppers;
  }

  /**
   * Starts a program with the given descriptors as its 0, 1 and 2 (duplicated, not taken over), and resolves when it has
   * ended. Rejects with ERR_NOT_FOUND, ERR_NOT_EXECUTABLE or ERR_LAUNCH when it could not be started, and with ERR_LAUNCH
   * (stage "supervision") when PID 1 ends without a report. A program with a terminal has no other descriptors;
   * `onTerminal` takes the master end over.
   */
  async exec(
    plan: ProcessPlan,
    stdio: readonly number[],
    onTerminal?: (master: number) => void,
  ): Promise<ExitReport> {
    if (this.#failure !== undefined) throw this.#failure;
    const exit = new Deferred<ExitReport>();
    this.#exits.set(plan.id, exit);
    if (onTerminal !== undefined) this.#terminals.set(plan.id, onTerminal);
    this.#send(encodeExecRequest(), "skillbox-process", encodeProcess(plan), stdio);
    return await exit.promise;
  }

  /** Sends a signal to a program, or to its whole process group, as a terminal does. */
  signal(process: number, signal: NodeJS.Signals, group: boolean): void {
    this.#channel.send(encodeSignalRequest(process, constants.signals[signal], group), []);
  }

  /**
   * Opens a regular file as a program inside would; the descriptor is the caller's (closeFd of the binding). Rejects with
   * ERR_FILE, whose `errno` says why.
   */
  async open(path: string, access: "read" | "write"): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    const request = this.#nextOpen++;
    const opened = new Deferred<number>();
    this.#opening.set(request, opened);
    this.#channel.send(encodeOpenRequest(request, path, access === "write"), []);
    try {
      return await opened.promise;
    } catch (error) {
      throw error instanceof OpenError ? fileError(path, access, error.errno) : error;
    } finally {
      this.#opening.delete(request);
    }
  }

  /** Asks for unbound sockets of the sandbox's network namespace; they come to `network.addSockets`. */
  requestSockets(family: 4 | 6, protocol: "tcp" | "udp", count: number): void {
    this.#channel.send(encodeSocketsRequest(family, protocol, count), []);
  }

  /** Ends everything inside because something outside, that it depends on, has failed. */
  fail(cause: unknown): void {
    this.#fail(asError(describeSystemError(cause)));
    this.#channel.shutdown();
  }

  /** Ends everything inside at once, and resolves when the kernel has let go of it. */
  async close(): Promise<void> {
    this.#channel.shutdown();
    await this.#closed.promise;
    if (this.#pid !== undefined) await this.#dead.promise;
    for (const fd of this.#uppers.values()) this.#native.binding.closeFd(fd);
    this.#uppers.clear();
  }

  /** A plan may be longer than a message: it goes along as a file. */
  #send(request: Uint8Array, name: string, plan: Uint8Array, fds: readonly number[]): void {
    const memfd = this.#native.binding.memfd(name, plan);
    try {
      this.#channel.send(request, [memfd, ...fds]);
    } finally {
      this.#native.binding.closeFd(memfd);
    }
  }

  /** What cannot be made use of ends the sandbox: nobody else is there to hear of it. */
  #take(message: Uint8Array, fds: readonly number[]): void {
    try {
      this.#receive(decodeReport(message), fds);
    } catch (error) {
      this.fail(error);
    }
  }

  #receive(report: InitReport, fds: readonly number[]): void {
    const [fd] = fds;
    switch (report.type) {
      case "spawned":
        if (fd === undefined) return;
        this.#native.binding.watchExit(fd, () => {
          this.#dead.resolve(undefined);
        });
        this.#pid = report.pid;
        return;
      case "upper":
        if (fd !== undefined) this.#uppers.set(report.operation, fd);
        return;
      case "ready":
        this.#ready.resolve(report.layers);
        return;
      case "listener":
        if (fd === undefined) return;
        if (this.#onListener === undefined) this.#native.binding.closeFd(fd);
        else this.#onListener(report.process, fd);
        return;
      case "resolver":
        if (this.#network !== undefined) this.#network.serveResolver(fds);
        else fds.forEach((extra) => this.#native.binding.closeFd(extra));
        return;
      case "sockets":
        if (this.#network !== undefined) this.#network.addSockets(report.family, report.protocol, fds);
        else fds.forEach((extra) => this.#native.binding.closeFd(extra));
        return;
      case "opened": {
        const opened = this.#opening.get(report.request);
        if (report.errno !== undefined) opened?.reject(new OpenError(report.errno));
        else if (fd !== undefined) {
          if (opened === undefined) this.#native.binding.closeFd(fd);
          else opened.resolve(fd);
        }
        return;
      }
      case "terminal": {
        if (fd === undefined) return;
        const take = this.#terminals.get(report.process);
        this.#terminals.delete(report.process);
        if (take === undefined) this.#native.binding.closeFd(fd);
        else take(fd);
        return;
      }
      case "error":
        this.#fail(launchError(report));
        return;
      case "exec-failed":
        this.#exits.get(report.process)?.reject(processError(report));
        this.#exits.delete(report.process);
        return;
      case "exited":
        this.#exits.get(report.process)?.resolve(report);
        this.#exits.delete(report.process);
    }
  }

  /** The first failure is the one to tell; what follows from it is noise. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#ready.reject(this.#failure);
    for (const exit of this.#exits.values()) exit.reject(this.#failure);
    this.#exits.clear();
    for (const opened of this.#opening.values()) opened.reject(this.#failure);
    this.#opening.clear();
  }

  #gone(errno: number): void {
    this.#closed.resolve(undefined);
    this.#fail(errno === 0 ? endedWithoutReport() : notReceived(errno));
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new SkillboxError("ERR_INTERNAL", String(cause));
}
