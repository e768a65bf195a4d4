import type { DagRunRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { taskPath } from "./paths.ts";
import { type TimeView, timeView } from "./time.ts";

/** Values that tasks passed on. */
export interface XComView {
  readonly rows: readonly {
    readonly id: string;
    readonly taskId: string;
    readonly href: string;
    readonly key: string;
    readonly size: string;
    readonly at: TimeView;
    readonly json: string;
    readonly isCut: boolean;
  }[];
}

/** Characters of one value that are shown. */
const SHOWN = 20_000;

/** The XComs of a run, or of one task instance of it. */
export async function xcomView(
  deps: WebDeps,
  run: Pick<DagRunRow, "runKey" | "dagId" | "runId">,
  tiNo?: number,
): Promise<XComView> {
  const xcoms = await deps.store.tasks.xcoms(run.runKey, tiNo);
  const now = deps.clock.now();
  return {
    rows: xcoms.map((xcom) => {
      const json = JSON.stringify(xcom.value, null, 2) ?? "null";
      return {
        id: `xcom-${xcom.tiNo}-${xcom.key}`,
        taskId: xcom.mapIndex < 0 ? xcom.taskId : `${xcom.taskId}[${xcom.mapIndex}]`,
        href: taskPath(run.dagId, run.runId, xcom.taskId, xcom.mapIndex),
        key: xcom.key,
        size: sizeText(xcom.size),
        at: timeView(xcom.createdAt, now),
        json: json.slice(0, SHOWN),
        isCut: json.length > SHOWN,
      };
    }),
  };
}

/** "312 B", "1.2 MB". */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
