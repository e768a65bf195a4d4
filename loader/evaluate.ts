import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Clock } from "../core/clock.ts";
import type { DagDefinition } from "../core/definition.ts";
import type { Bundle } from "./bundle.ts";
import { type ChildEnd, type ChildLimits, EvaluateChild } from "./child.ts";
import type { DagFileError } from "./dag-file-error.ts";
import { checkDefinitions } from "./definition-schema.ts";
import { EvaluateAnswerSchema } from "./evaluate-protocol.ts";
import {
  calledExitError,
  disturbedError,
  type EvaluationScene,
  exitError,
  memoryError,
  oversizedError,
  stalledError,
  thrownError,
  timeoutError,
} from "./evaluation-errors.ts";
import { whereItLoops } from "./where-it-loops.ts";

/** How evaluations are limited. */
export interface EvaluatorOptions {
  readonly clock: Clock;
  /** Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Default 512. */
  readonly heapMb?: number | undefined;
}

/** What an evaluation gave. */
export interface Evaluation {
  readonly definitions: readonly DagDefinition[];
  /** From handing the bundle over to the answer. */
  readonly durationMs: number;
}

const ANSWER_BYTES = 64 * 1024 * 1024;
const SPARE_IDLE_MS = 5_000;
const WATCH_MEMORY_MS = 200;
const SLOW_MS = 1_000;
const INSPECT_MS = 500;

/**
 * Evaluates bundles, each in a process of its own. While evaluations come, a spare process with the SDK loaded waits
 * for the next one; it ends after 5 s without one.
 */
export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #limits: ChildLimits;
  readonly #timeoutMs: number;
  readonly #alive = new Set<EvaluateChild>();
  #spare: EvaluateChild | undefined;
  #spareTimer: { cancel(): void } | undefined;
  #isStopped = false;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    const heapMb = options.heapMb ?? 512;
    this.#limits = { heapMb, residentMb: heapMb + 256, answerBytes: ANSWER_BYTES };
  }

  /** Starts the spare process ahead of an evaluation that is about to come. */
  prepare(): void {
    if (this.#isStopped) return;
    this.#spare ??= this.#fork();
    this.#spareTimer?.cancel();
    const { clock } = this.#options;
    this.#spareTimer = clock.setTimer(clock.now() + SPARE_IDLE_MS, () => this.#dropSpare());
  }

  /**
   * Evaluates a bundle of the DAG folder `root` (real path) and gives its checked definitions. `onSlow` is called after a second, once. Rejects with
   * `DagFileError`, or with the signal's reason when aborted.
   */
  async evaluate(bundle: Bundle, root: string, signal?: AbortSignal, onSlow?: () => void): Promise<Evaluation> {
    signal?.throwIfAborted();
    const child = this.#takeChild();
    const started = performance.now();
    const url = pathToFileURL(join(root, bundle.file)).href;
    const scene: EvaluationScene = {
      bundle,
      root,
      get output() {
        return child.output;
      },
    };
    try {
      child.send({ url, code: withSourceMap(bundle, root) });
      const end = await this.#endOf(child, scene, url, signal, onSlow);
      return { definitions: this.#read(end, scene), durationMs: performance.now() - started };
    } finally {
      child.kill();
    }
  }

  /** Ends every process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#dropSpare();
    for (const child of this.#alive) child.kill();
    await Promise.all([...this.#alive].map((child) => child.gone));
  }

  #fork(): EvaluateChild {
    const child = new EvaluateChild(this.#limits);
    void child.gone.then(() => {
      this.#alive.delete(child);
      if (this.#spare === child) this.#spare = undefined;
    });
    this.#alive.add(child);
    return child;
  }

  #takeChild(): EvaluateChild {
    const child = this.#spare ?? this.#fork();
    this.#spare = undefined;
    this.prepare();
    return child;
  }

  #dropSpare(): void {
    this.#spareTimer?.cancel();
    this.#spare?.kill();
    this.#spare = undefined;
  }

  async #endOf(
    child: EvaluateChild,
    scene: EvaluationScene,
    url: string,
    signal: AbortSignal | undefined,
    onSlow: (() => void) | undefined,
  ): Promise<ChildEnd> {
    const { clock } = this.#options;
    const timers: { cancel(): void }[] = [];
    let isOver = false;
    const at = (inMs: number, fn: () => void) => timers.push(clock.setTimer(clock.now() + inMs, fn));
    const abort = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    const limit = new Promise<never>((_, reject) => {
      at(this.#timeoutMs, () => void this.#timedOut(child, scene, url).then(reject));
      const watchMemory = async () => {
        if (await child.isTooLarge()) reject(memoryError(scene, this.#limits.heapMb));
        else if (!isOver) at(WATCH_MEMORY_MS, () => void watchMemory());
      };
      at(WATCH_MEMORY_MS, () => void watchMemory());
      at(SLOW_MS, () => {
        child.makeNice();
        onSlow?.();
      });
    });
    try {
      return await Promise.race([child.ended, limit, abort]);
    } finally {
      isOver = true;
      for (const timer of timers) timer.cancel();
      limit.catch(() => undefined);
      abort.catch(() => undefined);
    }
  }

  async #timedOut(child: EvaluateChild, scene: EvaluationScene, url: string): Promise<DagFileError> {
    // Without what the inspector prints.
    const quiet = { ...scene, output: scene.output };
    const inspector = await child.openInspector(INSPECT_MS);
    const position = inspector === undefined ? undefined : await whereItLoops(inspector, url, INSPECT_MS);
    return timeoutError(quiet, this.#timeoutMs, position);
  }

  #read(end: ChildEnd, scene: EvaluationScene): readonly DagDefinition[] {
    switch (end.kind) {
      case "unstarted":
        throw end.error;
      case "oversized":
        throw oversizedError(scene, ANSWER_BYTES);
      case "exited":
        if (/heap out of memory|Reached heap limit/.test(scene.output)) throw memoryError(scene, this.#limits.heapMb);
        throw exitError(scene, end.code, end.signal);
      case "answered":
        return readAnswer(end.line, scene);
    }
  }
}

function readAnswer(line: string, scene: EvaluationScene): readonly DagDefinition[] {
  const parsed = EvaluateAnswerSchema.safeParse(parseJson(line));
  if (!parsed.success) throw disturbedError(scene);
  const answer = parsed.data;
  switch (answer.kind) {
    case "dags":
      return checkDefinitions(scene.bundle.file, answer.definitions);
    case "error":
      throw thrownError(scene, answer);
    case "exit":
      throw calledExitError(scene, answer);
    case "stalled":
      throw stalledError(scene);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The inline map makes every stack show the author's files; absolute, as the child knows no DAG folder. */
function withSourceMap(bundle: Bundle, root: string): string {
  const map = JSON.parse(bundle.sourceMap) as { sources: string[]; sourcesContent?: unknown };
  const sources = map.sources.map((path) => pathToFileURL(join(root, path)).href);
  const inline = JSON.stringify({ ...map, sources, sourcesContent: undefined });
  return `${bundle.code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(inline).toString("base64")}`;
}
