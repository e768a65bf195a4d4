import type { WaitReason } from "../reason.ts";
import { NONE } from "./codes.ts";
import { judge, unfinishedTasks } from "./evaluate.ts";
import type { RunMemory } from "./memory.ts";
import { pastBlock } from "./past.ts";

/** What a `none` instance waits for; undefined for every other state, and when the next decision would move it on. */
export function waitReason(run: RunMemory, tiNo: number): WaitReason | undefined {
  const index = run.taskOfTi[tiNo] ?? -1;
  const task = run.graph.tasks[index];
  if (task === undefined || run.state[tiNo] !== NONE) return undefined;
  const { verdict, ground } = judge(run, tiNo);
  if (verdict === "waitPast") return pastBlock(run, index);
  if (verdict !== "wait") return undefined;
  if (ground === "setup") return { code: "setup", ...unfinishedTasks(run, run.graph.indirectSetups.get(index) ?? []) };
  const open = unfinishedTasks(run, run.graph.upstream[index] as readonly number[]);
  if (open.count === 0) return { code: "stuck", rule: task.triggerRule };
  return { code: "upstream", rule: task.triggerRule, ...open };
}
