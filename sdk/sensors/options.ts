import type { SensorDefinition } from "../../core/definition.ts";
import { type Check, flag, number } from "../checks.ts";
import { type Duration, durationMs } from "../durations.ts";

/** When a sensor asks, and for how long. Between two pokes it holds no slot. */
export interface SensorOptions {
  /** Time between pokes. Default 60 s. */
  readonly every?: Duration;
  /** For all pokes together, the first poke begins it; reaching it is final. Default 7 days. */
  readonly timeout?: Duration;
  /** On timeout the task is skipped instead of failed. Default false. */
  readonly softFail?: boolean;
  /** Factor by which the time between pokes grows. Default: it does not. */
  readonly backoff?: number;
}

const interval: Check<number> = (value) => {
  const ms = durationMs(value);
  if (ms < 100) throw new TypeError("must be at least 0.1 seconds");
  return ms;
};

/** Checks for the options that every sensor has. */
export const sensorChecks = { every: interval, timeout: durationMs, softFail: flag, backoff: number(1) };

interface CheckedSensor {
  readonly every?: number;
  readonly timeout?: number;
  readonly softFail?: boolean;
  readonly backoff?: number;
}

/** The stored form. */
export function sensorDefinition({ every, timeout, softFail, backoff }: CheckedSensor): SensorDefinition {
  return {
    everyMs: every ?? 60_000,
    timeoutMs: timeout ?? 7 * 86_400_000,
    softFail: softFail ?? false,
    ...(backoff === undefined || backoff === 1 ? {} : { backoff }),
  };
}

const LONGEST_WAIT_MS = 24 * 3_600_000;

/** When to poke again, epoch ms. */
export function nextPoke(sensor: SensorDefinition, firstPokeAt: number | undefined, now: number): number {
  const factor = sensor.backoff ?? 1;
  if (factor <= 1 || firstPokeAt === undefined) return now + sensor.everyMs;
  // Pokes at e, e·f, e·f² … after each other have passed t = e·(fⁿ − 1)/(f − 1) after n of them.
  const pokes = Math.log1p(((now - firstPokeAt) * (factor - 1)) / sensor.everyMs) / Math.log(factor);
  return (
    now + Math.min(sensor.everyMs * factor ** Math.max(0, Math.round(pokes)), Math.max(LONGEST_WAIT_MS, sensor.everyMs))
  );
}
