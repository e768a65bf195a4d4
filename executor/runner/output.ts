import { StringDecoder } from "node:string_decoder";
import type { LogLine } from "../executor.ts";

type Level = LogLine["level"];
type Source = "stdout" | "stderr";
type Sink = (source: Source, level: Level, text: string) => void;

/** Where the console's method says more than the stream it writes to. */
const CONSOLE_LEVELS = { debug: "debug", warn: "warning" } as const satisfies Record<string, Level>;

/**
 * From here on what is written to `process.stdout`, `process.stderr` and the console of this process goes to `sink`. The SDK puts its
 * own capture on top of this, for what a task prints; what comes here is printed around tasks, such as by the evaluation of a
 * bundle. Code below JavaScript, and children that inherit the descriptors, write to the pipes, which the host reads.
 */
export function captureOutput(sink: Sink): void {
  let consoleLevel: Level | undefined;
  for (const source of ["stdout", "stderr"] as const) {
    const decoder = new StringDecoder("utf8");
    const usual: Level = source === "stdout" ? "info" : "error";
    const write = (chunk: unknown, encodingOrDone?: unknown, done?: unknown): boolean => {
      const text = typeof chunk === "string" ? chunk : decoder.write(Buffer.from(chunk as Uint8Array));
      sink(source, consoleLevel ?? usual, text);
      const callback = typeof encodingOrDone === "function" ? encodingOrDone : done;
      if (typeof callback === "function") process.nextTick(callback as () => void);
      return true;
    };
    Object.defineProperty(process[source], "write", { value: write, writable: true, configurable: true });
  }

  const methods = console as unknown as Record<string, (...args: unknown[]) => void>;
  for (const [name, level] of Object.entries(CONSOLE_LEVELS)) {
    const print = methods[name];
    if (print === undefined) continue;
    methods[name] = (...args) => {
      const outer = consoleLevel;
      consoleLevel = level;
      try {
        print.apply(console, args);
      } finally {
        consoleLevel = outer;
      }
    };
  }
}
