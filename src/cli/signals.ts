/** What signals can be sent to. */
export interface SignalTarget {
  /** To the program, or to its whole process group as a terminal does. */
  kill(signal: NodeJS.Signals, group: boolean): void;
}

/** From the keyboard these reach the whole foreground process group, so they go to the program's whole group. */
const keyboardSignals = ["SIGINT", "SIGQUIT", "SIGWINCH"] as const;
const otherSignals = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Passes the signals that skillbox gets on to the program, which is in a session of its own and would not hear them.
 * Returns a function that stops it.
 */
export function forwardSignals(program: SignalTarget): () => void {
  const handlers = new Map<NodeJS.Signals, () => void>();
  for (const signal of keyboardSignals) handlers.set(signal, () => program.kill(signal, true));
  for (const signal of otherSignals) handlers.set(signal, () => program.kill(signal, false));
  handlers.set("SIGTSTP", () => {
    // The program's group is orphaned, and the kernel ignores SIGTSTP there; and we have to stop as well.
    program.kill("SIGSTOP", true);
    process.kill(process.pid, "SIGSTOP");
  });
  handlers.set("SIGCONT", () => program.kill("SIGCONT", true));
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
