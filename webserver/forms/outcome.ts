import { InvalidInputError, SluiceError } from "../../core/errors.ts";
import { statusOf } from "../errors.ts";

/** How a command that a form asked for ended. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal;

/** The command was refused: what to say, where, and with which HTTP status. */
export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly message: string;
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

/** Runs a command; what Sluice refuses on purpose comes back as a value, so that the form can be shown again with what was typed. */
export async function outcomeOf<T>(command: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await command() };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === "store_unavailable") throw error;
    return {
      ok: false,
      status: statusOf(error),
      message: error.message,
      issues: error instanceof InvalidInputError ? error.issues : [],
    };
  }
}
