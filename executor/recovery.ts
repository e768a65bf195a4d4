import { endMarked, environmentValue, findMarked, parentOf } from "./processes.ts";

/**
 * Kills what earlier starts of the host on the same state folder left running: runners whose event loop was blocked when the host died, and
 * commands that moved out of their process group. Call it at start, once this process has the exclusive right to the folder and
 * before any attempt is given out; then no try of a task can run beside its successor. Runners whose host lives (a `sluice tasks test`
 * beside it) are left alone. Gives the killed process ids. Linux only: elsewhere runners end by themselves when the host's end of their
 * channel closes, and nothing is searched.
 */
export async function killLeftovers(home: string): Promise<readonly number[]> {
  const killed: number[] = [];
  for (const bootId of deadBoots(home))
    killed.push(
      ...(await endMarked([
        { name: "SLUICE_HOME", value: home },
        { name: "SLUICE_BOOT_ID", value: bootId },
      ])),
    );
  return killed;
}

/** Starts of the host of which processes are left, but not the host. */
function deadBoots(home: string): readonly string[] {
  const boots = new Map<string, boolean>();
  for (const pid of findMarked([{ name: "SLUICE_HOME", value: home }, { name: "SLUICE_RUNNER" }])) {
    const bootId = environmentValue(pid, "SLUICE_BOOT_ID");
    if (bootId === undefined) continue;
    // A runner's mark begins with its host's process id, which is its parent for as long as the host lives.
    const host = Number(environmentValue(pid, "SLUICE_RUNNER")?.split(".")[0]);
    boots.set(bootId, (boots.get(bootId) ?? false) || parentOf(pid) === host);
  }
  return [...boots].filter(([, isAlive]) => !isAlive).map(([bootId]) => bootId);
}
