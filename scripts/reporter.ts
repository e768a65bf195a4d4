import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** What one test file came to; `scripts/test.ts` adds them up. */
export interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly tests: readonly { readonly title: string; readonly ms: number }[];
}

/** The line that every run of the tests ends with; scripts and people look for it. */
export function closingLine(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** How long a test file may still hold the process after its last test; `SLUICE_TEST_LINGER_MS` sets it. */
const LINGER_MS = Number(process.env.SLUICE_TEST_LINGER_MS ?? 5_000);

/**
 * Prints failures as mocha's own `spec` does, and nothing for what passes. With `SLUICE_TEST_RESULT` set the counts go
 * to that file; else the closing line is printed.
 *
 * A test file whose process does not end by itself after its last test has left something open (a server, a timer, a
 * child), which counts as a failure.
 */
export default class QuietReporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { EVENT_TEST_PASS, EVENT_TEST_PENDING, EVENT_RUN_END } = Mocha.Runner.constants;
    const tests: { title: string; ms: number }[] = [];
    const skipped: string[] = [];

    runner.on(EVENT_TEST_PASS, (test) => tests.push({ title: test.fullTitle(), ms: test.duration ?? 0 }));
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test.fullTitle()));
    runner.once(EVENT_RUN_END, () => {
      if (this.failures.length > 0) Mocha.reporters.Base.list(this.failures);
      const report = (failed: number) => writeResult({ passed: tests.length, failed, skipped, tests });
      report(this.failures.length);
      failIfStillOpen(() => report(this.failures.length + 1));
    });
  }
}

function writeResult(result: FileResult): void {
  const file = process.env.SLUICE_TEST_RESULT;
  if (file !== undefined) writeFileSync(file, JSON.stringify(result));
  else console.log(`\n${closingLine(result.passed, result.failed, result.skipped.length)}`);
}

/** The timer holds nothing itself, so it fires only in a process that something else keeps alive. */
function failIfStillOpen(report: () => void): void {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(", ");
    console.error(`\n  The tests have ended and something they opened is still open: ${open}`);
    report();
    process.exit(1);
  }, LINGER_MS).unref();
}
