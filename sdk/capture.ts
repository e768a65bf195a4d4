import { taskScopes } from "./context.ts";
import type { TaskLogLine } from "./host.ts";
import { LineSplitter } from "./lines.ts";

type Level = TaskLogLine["level"];
type Stream = "stdout" | "stderr";

/** The level of what a console method writes; everything else goes by its stream. */
let consoleLevel: Level | undefined;

/** Turns what one task prints into log lines. */
export class Printer {
  readonly #lines: { readonly [S in Stream]: LineSplitter };

  constructor(log: (line: TaskLogLine) => void) {
    const splitter = (source: Stream, level: Level) =>
      new LineSplitter((message) => log({ level: consoleLevel ?? level, source, message }));
    this.#lines = { stdout: splitter("stdout", "info"), stderr: splitter("stderr", "error") };
  }

  print(stream: Stream, chunk: string | Uint8Array, encoding?: BufferEncoding): void {
    const isForeign = typeof chunk === "string" && encoding !== undefined && !/^utf-?8$/i.test(encoding);
    this.#lines[stream].push(isForeign ? Buffer.from(chunk, encoding) : chunk);
  }

  /** Logs what was printed without a line end. */
  end(): void {
    this.#lines.stdout.end();
    this.#lines.stderr.end();
  }
}

const INSTALLED = Symbol.for("sluice.capture");

/**
 * From here on, what is printed inside of a task goes to that task's log: `console`, `process.stdout`, `process.stderr`.
 * What is printed outside of tasks goes where it always went. Calling it again changes nothing.
 */
export function installCapture(): void {
  const marked = process as unknown as { [INSTALLED]?: true };
  if (marked[INSTALLED]) return;
  marked[INSTALLED] = true;
  captureStream("stdout");
  captureStream("stderr");
  captureConsole("warn", "warning");
  captureConsole("debug", "debug");
}

function captureStream(name: Stream): void {
  const stream = process[name];
  const write = stream.write;
  stream.write = function captured(this: unknown, ...args: unknown[]): boolean {
    const scope = taskScopes.getStore();
    if (scope === undefined) return Reflect.apply(write, stream, args) as boolean;
    const [chunk, encoding] = args;
    const isText = typeof chunk === "string";
    if (isText || chunk instanceof Uint8Array) {
      scope.print(name, chunk, isText && typeof encoding === "string" ? (encoding as BufferEncoding) : undefined);
    }
    const done = args.find((arg) => typeof arg === "function") as (() => void) | undefined;
    if (done !== undefined) process.nextTick(done);
    return true;
  } as typeof stream.write;
}

/** The console writes through the stream, synchronously; the level travels beside it. */
function captureConsole(method: "warn" | "debug", level: Level): void {
  const original = console[method];
  console[method] = (...args: unknown[]) => {
    if (taskScopes.getStore() === undefined) return original.apply(console, args);
    consoleLevel = level;
    try {
      original.apply(console, args);
    } finally {
      consoleLevel = undefined;
    }
  };
}
