/** A pending timer; `cancel` is idempotent and never throws. */
export interface TimerHandle {
  cancel(): void;
}

/**
 * The only source of time for everything above `core/`. Production uses `systemClock`; tests and the simulation a fake
 * one, so that a year of schedules is a unit test.
 */
export interface Clock {
  /** Wall-clock time, epoch milliseconds UTC. */
  now(): number;
  /** Calls `fn` once at `at` (epoch ms) or as soon as possible after it. Instants further than 24 days away are allowed. */
  setTimer(at: number, fn: () => void): TimerHandle;
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The machine's clock. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(at, fn) {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const wait = at - Date.now();
      timer = wait > MAX_TIMEOUT_MS ? setTimeout(arm, MAX_TIMEOUT_MS) : setTimeout(fn, Math.max(0, wait));
      timer.unref();
    };
    arm();
    return { cancel: () => clearTimeout(timer) };
  },
};
