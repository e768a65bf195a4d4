import { randomUUID } from "node:crypto";
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

/** What is to be evaluated. */
export interface EvaluationRequest {
  readonly bundle: Bundle;
  /** Real path of the DAG folder. */
  readonly root: string;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when it takes more than a second. */
  readonly onSlow?: (() => void) | undefined;
  /** One of many, for which nobody waits: it may share a process with others as long as they leave no trace. */
  readonly isBulk?: boolean | undefined;
}

interface AskLimits {
  readonly timeoutMs: number;
  readonly mayFollow: boolean;
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
/** Evaluations in one process of a bulk load; their memory adds up. */
const BULK_FILES = 200;
const BULK_TIMEOUT_MS = 2_000;

/**
 * Evaluates bundles, each in a process of its own (but see `EvaluationRequest.isBulk`). While evaluations come, a spare
 * process with the SDK loaded waits for the next one; it ends after 5 s without one.
 */
export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #limits: ChildLimits;
  readonly #timeoutMs: number;
  readonly #alive = new Set<EvaluateChild>();
  /** Clean processes of a bulk load that wait for its next file. */
  readonly #bulk: EvaluateChild[] = [];
  #bulkTimer: { cancel(): void } | undefined;
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
   * Evaluates a bundle and gives its checked definitions. Rejects with `DagFileError`, or with the signal's reason when
   * aborted.
   */
  async evaluate(request: EvaluationRequest): Promise<Evaluation> {
    request.signal?.throwIfAborted();
    if (request.isBulk) {
      const evaluation = await this.#evaluateInBulk(request);
      if (evaluation !== undefined) return evaluation;
    }
    const child = this.#spare ?? this.#fork();
    this.#spare = undefined;
    this.prepare();
    try {
      return (await this.#ask(child, request, { timeoutMs: this.#timeoutMs, mayFollow: false })).evaluation;
    } finally {
      child.kill();
    }
  }

  /**
   * Evaluates in a process that evaluates one file after the other; several times faster. Undefined when that did not
   * work out: whatever the reason, a process of its own has the last word.
   */
  async #evaluateInBulk(request: EvaluationRequest): Promise<Evaluation | undefined> {
    const { bundle, root } = request;
    // A process imports a module once: the same file again needs another one.
    const at = this.#bulk.findIndex((candidate) => !candidate.hasSeen(urlOf(root, bundle)));
    const child = this.#bulk.splice(at, at < 0 ? 0 : 1)[0] ?? this.#fork();
    const limits = { timeoutMs: Math.min(BULK_TIMEOUT_MS, this.#timeoutMs), mayFollow: true };
    try {
      const { evaluation, isClean } = await this.#ask(child, request, limits);
      if (isClean && child.seenCount < BULK_FILES && !this.#isStopped) this.#keepForBulk(child);
      else child.kill();
      return evaluation;
    } catch {
      child.kill();
      request.signal?.throwIfAborted();
      return undefined;
    }
  }

  async #ask(
    child: EvaluateChild,
    request: EvaluationRequest,
    limits: AskLimits,
  ): Promise<{ evaluation: Evaluation; isClean: boolean }> {
    const { bundle, root } = request;
    const started = performance.now();
    const url = urlOf(root, bundle);
    const scene: EvaluationScene = {
      bundle,
      root,
      get output() {
        return child.output;
      },
    };
    const id = randomUUID();
    const asked = child.ask({ id, url, code: withSourceMap(bundle, root), mayFollow: limits.mayFollow });
    const end = await this.#within(asked, child, scene, url, request, limits.timeoutMs);
    const { definitions, isClean } = this.#read(end, id, scene);
    return { evaluation: { definitions, durationMs: performance.now() - started }, isClean };
  }

  /** Ends every process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#dropSpare();
    this.#dropBulk();
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

  #dropSpare(): void {
    this.#spareTimer?.cancel();
    this.#spare?.kill();
    this.#spare = undefined;
  }

  #keepForBulk(child: EvaluateChild): void {
    this.#bulk.push(child);
    this.#bulkTimer?.cancel();
    const { clock } = this.#options;
    this.#bulkTimer = clock.setTimer(clock.now() + SPARE_IDLE_MS, () => this.#dropBulk());
  }

  #dropBulk(): void {
    this.#bulkTimer?.cancel();
    for (const child of this.#bulk.splice(0)) child.kill();
  }

  /** The answer, unless time or memory run out or nobody wants it any more. */
  async #within(
    asked: Promise<ChildEnd>,
    child: EvaluateChild,
    scene: EvaluationScene,
    url: string,
    { signal, onSlow }: EvaluationRequest,
    timeoutMs: number,
  ): Promise<ChildEnd> {
    const { clock } = this.#options;
    const timers: { cancel(): void }[] = [];
    let isOver = false;
    const at = (inMs: number, fn: () => void) => timers.push(clock.setTimer(clock.now() + inMs, fn));
    const abort = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    const limit = new Promise<never>((_, reject) => {
      at(timeoutMs, () => void this.#timedOut(child, scene, url, timeoutMs).then(reject));
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
      return await Promise.race([asked, limit, abort]);
    } finally {
      isOver = true;
      for (const timer of timers) timer.cancel();
      limit.catch(() => undefined);
      abort.catch(() => undefined);
    }
  }

  async #timedOut(child: EvaluateChild, scene: EvaluationScene, url: string, timeoutMs: number): Promise<DagFileError> {
    // Without what the inspector prints.
    const quiet = { ...scene, output: scene.output };
    const inspector = await child.openInspector(INSPECT_MS);
    const position = inspector === undefined ? undefined : await whereItLoops(inspector, url, INSPECT_MS);
    return timeoutError(quiet, timeoutMs, position);
  }

  #read(end: ChildEnd, id: string, scene: EvaluationScene): CheckedAnswer {
    switch (end.kind) {
      case "unstarted":
        throw end.error;
      case "oversized":
        throw oversizedError(scene, ANSWER_BYTES);
      case "exited":
        if (/heap out of memory|Reached heap limit/.test(scene.output)) throw memoryError(scene, this.#limits.heapMb);
        throw exitError(scene, end.code, end.signal);
      case "answered":
        return readAnswer(end.line, id, scene);
    }
  }
}

interface CheckedAnswer {
  readonly definitions: readonly DagDefinition[];
  readonly isClean: boolean;
}

function readAnswer(line: string, id: string, scene: EvaluationScene): CheckedAnswer {
  const parsed = EvaluateAnswerSchema.safeParse(parseJson(line));
  if (!parsed.success || parsed.data.id !== id) throw disturbedError(scene);
  const { answer } = parsed.data;
  switch (answer.kind) {
    case "dags":
      return { definitions: checkDefinitions(scene.bundle.file, answer.definitions), isClean: answer.isClean };
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

function urlOf(root: string, bundle: Bundle): string {
  return pathToFileURL(join(root, bundle.file)).href;
}

/** The inline map makes every stack show the author's files; absolute, as the child knows no DAG folder. */
function withSourceMap(bundle: Bundle, root: string): string {
  const map = JSON.parse(bundle.sourceMap) as { sources: string[]; sourcesContent?: unknown };
  const sources = map.sources.map((path) => pathToFileURL(join(root, path)).href);
  const inline = JSON.stringify({ ...map, sources, sourcesContent: undefined });
  return `${bundle.code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(inline).toString("base64")}`;
}
