import type { BuildOptions, BuildResult } from "esbuild";
import type { Clock, TimerHandle } from "../core/clock.ts";

type Build = (options: BuildOptions) => Promise<BuildResult>;

/** esbuild runs as one child process per process of ours; whoever ends it must know that nobody is using it. */
const service = { users: 0 };

const IDLE_MS = 5_000;

/**
 * esbuild, started when first needed and ended when idle: its process holds memory that is needed for a second per
 * save only.
 */
export class EsbuildService {
  readonly #clock: Clock;
  #idle: TimerHandle | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `esbuild.build`; rejects with esbuild's `BuildFailure`. */
  readonly build: Build = async (options) => {
    this.#idle?.cancel();
    service.users++;
    try {
      const esbuild = await import("esbuild");
      return await esbuild.build(options);
    } finally {
      service.users--;
      this.#idle?.cancel();
      this.#idle = this.#clock.setTimer(this.#clock.now() + IDLE_MS, () => void this.stop());
    }
  };

  /** Ends esbuild's process unless somebody else in this process is using it. */
  async stop(): Promise<void> {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (service.users > 0) return;
    const esbuild = await import("esbuild");
    if (service.users === 0) await esbuild.stop();
  }
}
