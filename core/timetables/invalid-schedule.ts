import { SluiceError } from "../errors.ts";

const SHOWN_LENGTH = 80;

/**
 * A schedule that cannot be understood or can never be kept. The message quotes the schedule (shortened), says what is
 * wrong with it and what to write instead. `code` is `invalid_schedule`.
 */
export class InvalidScheduleError extends SluiceError {
  /** The offending text as it was given, at most 80 characters of it. */
  readonly schedule: string;

  constructor(schedule: string, problem: string, advice: string, options?: ErrorOptions) {
    const shown = shorten(schedule);
    super("invalid_schedule", `Invalid schedule ${JSON.stringify(shown)}: ${problem}. ${advice}.`, options);
    this.schedule = shown;
  }
}

/** Cuts text from an author to a length fit for a message. */
export function shorten(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
