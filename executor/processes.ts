import { readdirSync, readFileSync } from "node:fs";

/**
 * Finding and ending operating-system processes by a mark in their environment. A child inherits its parent's environment, so this
 * reaches descendants that moved to another group or session and whose parent is gone. Needs `/proc` (Linux); elsewhere nothing is found,
 * and killing process groups is all there is.
 */

/** A variable and the value it must have; undefined = any value. */
export interface EnvironmentMark {
  readonly name: string;
  readonly value?: string;
}

/** Ids of the processes whose environment (as it was when they were started) has all the marks; never this process. */
export function findMarked(
  marks: readonly EnvironmentMark[],
  candidates: readonly number[] = allProcesses(),
): number[] {
  const needles = marks.map(({ name, value }) => bytes(value === undefined ? `\0${name}=` : `\0${name}=${value}\0`));
  return candidates.filter((pid) => {
    if (pid === process.pid || pid <= 1) return false;
    const environment = environmentOf(pid);
    return environment !== undefined && needles.every((needle) => environment.includes(needle));
  });
}

/** A text as `environmentOf` would show it. */
function bytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The environment, one character per byte, each variable between two NULs; undefined for zombies and other users' processes. */
function environmentOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, "latin1");
    return text === "" ? undefined : `\0${text}\0`;
  } catch {
    return undefined;
  }
}

/** The value of one variable of another process, or undefined. */
export function environmentValue(pid: number, name: string): string | undefined {
  const environment = environmentOf(pid);
  const start = environment?.indexOf(bytes(`\0${name}=`)) ?? -1;
  if (environment === undefined || start < 0) return undefined;
  const from = start + bytes(name).length + 2;
  return Buffer.from(environment.slice(from, environment.indexOf("\0", from)), "latin1").toString("utf8");
}

/** The parent's id, or undefined when the process is gone. An orphan's parent is the init process. */
export function parentOf(pid: number): number | undefined {
  try {
    // The command's name, in parentheses, may hold anything; the state and the parent follow its last one.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** Every process id that `/proc` shows, ascending; empty without `/proc`. */
export function allProcesses(): number[] {
  try {
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid))
      .sort((left, right) => left - right);
  } catch {
    return [];
  }
}

/**
 * The processes that can have been started since `firstPid` was: ids are given out in ascending order and wrap at `pid_max`. Right
 * unless the ids have gone round completely since, so use it for moments, not for hours.
 */
export function processesSince(firstPid: number): number[] {
  const newest = newestProcess();
  const all = allProcesses();
  if (newest === undefined) return all;
  return newest >= firstPid
    ? all.filter((pid) => pid >= firstPid && pid <= newest)
    : all.filter((pid) => pid >= firstPid || pid <= newest);
}

function newestProcess(): number | undefined {
  try {
    const newest = Number(readFileSync("/proc/loadavg", "latin1").trim().split(" ").at(-1));
    return Number.isInteger(newest) && newest > 0 ? newest : undefined;
  } catch {
    return undefined;
  }
}

/** Sends a signal; false when the process or group (negative id) is gone or not ours. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  if (Math.abs(pid) <= 1) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Rounds of `endMarked`; a fork bomb needs several, because children are born while others are being killed. */
const ROUNDS = 100;

/**
 * Kills every process with the marks until none is left, and gives the ids it killed. `candidates` narrows the search of each round.
 * Resolves at the latest after about a second; what is then still there is uninterruptible (in the kernel).
 */
export async function endMarked(
  marks: readonly EnvironmentMark[],
  candidates: () => readonly number[] = allProcesses,
): Promise<readonly number[]> {
  const killed = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const found = findMarked(marks, candidates());
    if (found.length === 0) break;
    for (const pid of found) {
      sendSignal(pid, "SIGKILL");
      killed.add(pid);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(round, 10)));
  }
  return [...killed];
}
