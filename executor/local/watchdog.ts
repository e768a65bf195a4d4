import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * A shell that waits for the host to die, and then kills what the host started: runners end by themselves when their channel closes, but
 * not while a task blocks their event loop, and commands may have left their group. It costs one megabyte and no CPU.
 * It reads from a pipe that only the host holds open; the pipe's end is the host's end, however it came about.
 */
const SCRIPT = `
read -r word
[ "$word" = leave ] && exit 0
sleep 0.5
round=0
while [ $round -lt 20 ]; do
  # Its status says nothing: processes that end meanwhile, and those of other users, count as errors.
  found=$(grep -lszx "SLUICE_BOOT_ID=$1" /proc/[0-9]*/environ)
  [ -n "$found" ] || exit 0
  for file in $found; do pid=\${file#/proc/}; kill -KILL "\${pid%/environ}" 2>/dev/null; done
  round=$((round + 1))
  sleep 0.1
done
`;

/** Started beside the first runner, on Linux; elsewhere it does nothing. */
export class Watchdog {
  #shell: ChildProcess | undefined;

  /** `bootId`: the mark of everything to be killed. Without a shell or `/proc` there is no watchdog. */
  start(bootId: string): void {
    if (!existsSync("/proc/self/environ")) return;
    // In a session of its own, so that whatever kills the host's group or terminal leaves it alone; without the host's
    // environment, so that it is not taken for one of the processes it looks for.
    const shell = spawn("/bin/sh", ["-c", SCRIPT, "sluice-watchdog", bootId], {
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
    });
    shell.on("error", () => undefined);
    shell.stdin?.on("error", () => undefined);
    shell.unref();
    (shell.stdin as { unref?: () => void } | null)?.unref?.();
    this.#shell = shell;
  }

  /** Everything has ended in order; the shell has nothing to do. */
  stop(): void {
    this.#shell?.stdin?.end("leave\n");
    this.#shell = undefined;
  }
}
