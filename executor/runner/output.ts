import { StringDecoder } from "node:string_decoder";
import type { LogLine } from "../executor.ts";

type Level = LogLine["level"];
type Source = "stdout" | "stderr";
type Sink = (source: Source, level: Level, text: string) => void;

/** What the console's methods mean; everything else it has is built on these. */
const CONSOLE_LEVELS = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warning",
  error: "error",
  trace: "error",
  assert: "error",
} as const satisfies Record<string, Level>;

/**
 * From here on what is written to `process.stdout`, `process.stderr` and the console of this process goes to `sink`. Code below
 * JavaScript, and children that inherit the descriptors, still write to the pipes, which the host reads.
 */
export function captureOutput(sink: Sink): void {
  let consoleLevel: Level | undefined;
  for (const source of ["stdout", "stderr"] as const) {
    const decoder = new StringDecoder("utf8");
    const usual: Level = source === "stdout" ? "info" : "warning";
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
