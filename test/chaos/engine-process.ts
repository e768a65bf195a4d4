import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { isRunning, killGroup, type ProcessEntry, processesWithEnv } from "../support/processes.ts";
import type { Command } from "./commands.ts";
import type { FromEngine, ToEngine } from "./engine.ts";

/** What an engine said when it was ready. */
export interface Ready {
  readonly bootId: string;
  /** CPU from the start of the process until then. */
  readonly cpuMs: number;
}

interface Waiting {
  readonly resolve: (affected: number) => void;
  readonly reject: (error: Error) => void;
}

/** One start of the engine. */
export class EngineProcess {
  /** Undefined when it ended before it was ready. */
  readonly ready: Promise<Ready | undefined>;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #isReady = false;
  #hasExited = false;
  #serial = 0;
  #stderr = "";

  constructor(bundle: string, home: string, ledger: string) {
    this.#child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", bundle, home], {
      env: { ...process.env, CHAOS_LEDGER: ledger },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-10_000);
    });
    const ready = Promise.withResolvers<Ready | undefined>();
    this.ready = ready.promise;
    this.exited = new Promise((resolve) => {
      this.#child.once("exit", () => {
        this.#hasExited = true;
        ready.resolve(undefined);
        resolve();
      });
    });
    if (this.#child.stdout === null) throw new Error("no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const message = JSON.parse(line) as FromEngine;
      if ("ready" in message) {
        this.#isReady = true;
        ready.resolve({ bootId: message.ready, cpuMs: message.cpuMs });
      } else if ("ack" in message) this.#take(message.ack)?.resolve(message.affected);
      else this.#take(message.refused)?.reject(Object.assign(new Error(message.message), { code: message.code }));
    });
  }

  /** What it wrote to stderr last. */
  get stderr(): string {
    return this.#stderr;
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Resolves with the acknowledgement, never when the engine dies first; undefined when it does not listen. */
  readonly send = (command: Command): Promise<number> | undefined => {
    if (!this.#isReady || this.#hasExited) return undefined;
    const id = ++this.#serial;
    const message: ToEngine = { id, command };
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  };

  /** SIGKILL for its group; `everything`: for all that it has started as well, as when the power fails. */
  async kill(home: string, everything: boolean): Promise<void> {
    killGroup(this.#child.pid ?? -1);
    if (everything) for (const { pid } of processesWithEnv("SLUICE_HOME", home)) killNow(pid);
    await this.exited;
  }

  /** Lets it end in order. */
  async stop(): Promise<void> {
    const message: ToEngine = { stop: true };
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    await this.exited;
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** Processes of a state folder that do not belong to the present start of the engine. */
export function leftovers(home: string, bootId: string | undefined): readonly ProcessEntry[] {
  // In this order: what starts in between is on the second list at most.
  const found = processesWithEnv("SLUICE_HOME", home);
  const present = new Set(bootId === undefined ? [] : processesWithEnv("SLUICE_BOOT_ID", bootId).map(({ pid }) => pid));
  return found.filter(({ pid }) => !present.has(pid) && isRunning(pid));
}
