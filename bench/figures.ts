import type { BootFigures } from "./boot.ts";
import type { ChainFigures } from "./chain.ts";
import type { FanOutFigures } from "./fanout.ts";
import type { IdleFigures } from "./idle.ts";
import type { PageFigures } from "./pages.ts";
import type { StoreFigures } from "./store.ts";

/** A promised figure. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly measured: number;
  /** "at most" or "at least" so much. */
  readonly reach: string;
  readonly isMet: boolean;
}

interface Results {
  readonly chain?: ChainFigures;
  readonly fanout?: FanOutFigures;
  readonly decide?: {
    readonly [shape: string]: { readonly events: { readonly [kind: string]: { readonly p99Us: number } } };
  };
  readonly store?: StoreFigures;
  readonly boot?: BootFigures;
  readonly idle?: IdleFigures;
  readonly pages?: PageFigures;
}

/** Those of the promised figures that these results hold. */
export function figuresOf({ chain, fanout, decide, store, boot, idle, pages }: Results): readonly Figure[] {
  const decisions = ["wide", "deep", "random"].flatMap((shape) =>
    Object.values(decide?.[shape]?.events ?? {}).map(({ p99Us }) => p99Us),
  );
  const watched = idle?.watched;
  const list = pages?.pages.dagList;
  return [
    atMost("chain of 40 tasks, end to end", "ms", 120, chain?.endToEndP50),
    atMost("task to task, p50", "ms", 2, chain?.taskToTaskP50),
    atMost("task to task, p99", "ms", 10, chain?.taskToTaskP99),
    atLeast("fan-out of 1,000, shared", "tasks/s", 5_000, fanout?.sharedPerSecond),
    atLeast("fan-out of 1,000, process", "tasks/s", 1_500, fanout?.processPerSecond),
    atMost(
      "decide on 10,000 tasks, p99 of one event",
      "µs",
      100,
      decisions.length > 0 ? Math.max(...decisions) : undefined,
    ),
    atMost("creation of a run of 10,000 tasks", "ms", 1_000, store?.createRunOf10000),
    atMost("npm start to the first page", "ms", 2_000, boot?.startToPage),
    atMost("npm start to the first page, nothing compiled yet", "ms", 2_000, boot?.firstStartToPage),
    atMost("boot of the engine, CPU", "ms", 120, boot?.engineCpu),
    atMost("idle, resident memory of all processes", "MB", 250, watched?.rssMb),
    atMost("idle, CPU", "%", 1, watched?.cpuPercent),
    atMost("idle, queries", "/s", 5, watched?.queriesPerSecond),
    atMost("DAG list page, 1,000 DAGs of 100 runs, p95", "ms", 80, list?.p95),
  ].filter((figure) => figure !== undefined);
}

function atMost(what: string, unit: string, limit: number, measured: number | undefined): Figure | undefined {
  if (measured === undefined) return undefined;
  return { what, unit, measured, reach: `at most ${limit}`, isMet: measured <= limit };
}

function atLeast(what: string, unit: string, limit: number, measured: number | undefined): Figure | undefined {
  if (measured === undefined) return undefined;
  return { what, unit, measured, reach: `at least ${limit}`, isMet: measured >= limit };
}
