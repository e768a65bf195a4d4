import { pino } from "pino";
import type { Logger } from "../core/logger.ts";

/** The system's own log: JSON lines on stderr, so that stdout belongs to answers. Registered secrets are masked before writing. */
export function createLogger(level: string, mask: (text: string) => string = (text) => text): Logger {
  const stderr = pino.destination({ dest: 2, sync: true });
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => stderr.write(mask(line)) },
  );
}
