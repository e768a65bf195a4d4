import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { extname } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import type { EvaluateRequest } from "./evaluate-protocol.ts";

/** How an evaluation's process ended, or was ended. */
export type ChildEnd =
  | { readonly kind: "answered"; readonly line: string }
  | { readonly kind: "oversized" }
  /** The system gave no process. */
  | { readonly kind: "unstarted"; readonly error: Error }
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** What such a process may use. */
export interface ChildLimits {
  /** V8 old space, MB. */
  readonly heapMb: number;
  /** Everything that is resident, buffers and native memory included, MB. */
  readonly residentMb: number;
  /** Length of the answer, bytes. */
  readonly answerBytes: number;
}

const CHILD = fileURLToPath(new URL(`./evaluate-child${extname(import.meta.url)}`, import.meta.url));
const KEPT_OUTPUT = 64 * 1024;
/** Ends a process whose parent died, should it loop. Above what 10 s can use with V8's helper threads. */
const CPU_SECONDS = 30;

/**
 * One evaluation process: waits with the SDK loaded, evaluates a bundle, and is killed with its whole group. One that
 * says it is clean may be asked once more.
 */
export class EvaluateChild {
  /** Resolves when the process is no more. */
  readonly gone: Promise<void>;
  readonly #process: ChildProcess;
  /** Undefined when the system gave no process. */
  readonly #channel: Duplex | undefined;
  readonly #limits: ChildLimits;
  readonly #seen = new Set<string>();
  #output = "";
  #outputBytes = 0;
  #answer: Buffer[] = [];
  #answerBytes = 0;
  #end: ChildEnd | undefined;
  #onEnd: ((end: ChildEnd) => void) | undefined;
  #inspectorUrl: ((url: string) => void) | undefined;

  constructor(limits: ChildLimits) {
    this.#limits = limits;
    this.#process = spawn(...command(limits), {
      detached: true,
      env: childEnvironment(),
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#channel = this.#process.stdio?.[3] as Duplex | undefined;
    // A child that dies with the request half written is reported by its end.
    this.#channel?.on("error", () => undefined);
    this.#channel?.on("data", (chunk: Buffer) => this.#read(chunk));
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    }
    this.#watchEnd();
    this.gone = new Promise((resolve) => {
      this.#process.once("exit", () => resolve());
      this.#process.once("error", () => resolve());
    });
    this.unref();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Whether it has been asked to evaluate this URL. */
  hasSeen(url: string): boolean {
    return this.#seen.has(url);
  }

  /** How many files it has been asked to evaluate. */
  get seenCount(): number {
    return this.#seen.size;
  }

  /** What the file has printed: the first 64 KB, and how much there was. */
  get output(): string {
    if (this.#outputBytes <= KEPT_OUTPUT) return this.#output;
    return `${this.#output}\n[… ${this.#outputBytes - KEPT_OUTPUT} more bytes were printed and dropped]`;
  }

  /** Has a bundle evaluated; gives the answer, or how the process failed to give one. One at a time. */
  ask(request: EvaluateRequest): Promise<ChildEnd> {
    this.#seen.add(request.url);
    this.#output = "";
    this.#outputBytes = 0;
    this.#answer = [];
    this.#answerBytes = 0;
    this.#process.ref();
    this.#channel?.write(`${JSON.stringify(request)}\n`);
    return new Promise((resolve) => {
      if (this.#end !== undefined) resolve(this.#end);
      else this.#onEnd = resolve;
    });
  }

  /** Lets our process end although this one waits; only for a child that evaluates nothing. */
  unref(): void {
    this.#process.unref();
    for (const stream of this.#process.stdio ?? []) (stream as { unref?: () => void } | null)?.unref?.();
  }

  /** Whether it holds more memory than allowed. Linux only; elsewhere the heap limit alone counts. */
  async isTooLarge(): Promise<boolean> {
    const pages = await readFile(`/proc/${this.pid}/statm`, "utf8").catch(() => "");
    return (Number(pages.split(" ")[1] ?? 0) * 4_096) / 1024 / 1024 > this.#limits.residentMb;
  }

  /** A slow one gets what the rest of the machine leaves. */
  makeNice(): void {
    try {
      if (this.pid !== undefined) setPriority(this.pid, 19);
    } catch {
      // It has ended meanwhile.
    }
  }

  /** Opens the process's inspector, even while it loops; gives its WebSocket URL, or undefined after `waitMs`. */
  async openInspector(waitMs: number): Promise<string | undefined> {
    const url = new Promise<string>((resolve) => {
      this.#inspectorUrl = resolve;
    });
    this.#process.kill("SIGUSR1");
    const timeout = new AbortController();
    const late = new Promise<undefined>((resolve) => {
      const timer = setTimeout(resolve, waitMs, undefined);
      timeout.signal.addEventListener("abort", () => clearTimeout(timer));
    });
    try {
      return await Promise.race([url, late]);
    } finally {
      timeout.abort();
    }
  }

  /** Kills the whole group at once; our process stays until it is gone. */
  kill(): void {
    const { pid } = this.#process;
    this.#process.ref();
    if (pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }

  #keep(text: string): void {
    const room = KEPT_OUTPUT - this.#outputBytes;
    this.#outputBytes += Buffer.byteLength(text);
    if (room > 0) this.#output += text.slice(0, room);
    const url = this.#inspectorUrl && /Debugger listening on (ws:\/\/\S+)/.exec(text)?.[1];
    if (url !== undefined) this.#inspectorUrl?.(url);
  }

  #read(chunk: Buffer): void {
    this.#answerBytes += chunk.length;
    if (this.#answerBytes > this.#limits.answerBytes) {
      this.#finish({ kind: "oversized" });
      this.kill();
      return;
    }
    this.#answer.push(chunk);
    if (chunk.at(-1) === 10) {
      this.#finish({ kind: "answered", line: Buffer.concat(this.#answer).toString("utf8") });
      this.#answer = [];
    }
  }

  #watchEnd(): void {
    const ended = (end: ChildEnd) => {
      this.#end ??= end;
      this.#finish(end);
    };
    this.#process.once("error", (error) => ended({ kind: "unstarted", error }));
    // "exit" may come before the last of the answer has been read, "close" never comes while a grandchild lives.
    this.#process.once("close", (code, signal) => ended({ kind: "exited", code, signal }));
    this.#process.once("exit", (code, signal) => {
      setTimeout(ended, 500, { kind: "exited", code, signal }).unref();
      // Grandchildren hold the pipes open.
      this.kill();
    });
  }

  #finish(end: ChildEnd): void {
    this.#onEnd?.(end);
    this.#onEnd = undefined;
  }
}

function command(limits: ChildLimits): [string, string[]] {
  const args = [
    `--max-old-space-size=${limits.heapMb}`,
    "--disable-warning=ExperimentalWarning",
    "--inspect-port=127.0.0.1:0",
    CHILD,
  ];
  if (process.platform === "win32") return [process.execPath, args];
  return ["/bin/sh", ["-c", `ulimit -t ${CPU_SECONDS}; ulimit -c 0; exec "$0" "$@"`, process.execPath, ...args]];
}

/** No settings, no credentials: what the process needs to run, and to run fast. */
function childEnvironment(): NodeJS.ProcessEnv {
  const names = ["PATH", "HOME", "LANG", "TZ", "NODE_ENV", "NODE_COMPILE_CACHE", "SystemRoot"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
