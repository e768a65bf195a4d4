import { SluiceError } from "../../../core/errors.ts";

/** The message with which a command is refused; throws when it is not, or fails in another way. */
export async function refusal(command: Promise<unknown>): Promise<string> {
  try {
    await command;
  } catch (error) {
    if (error instanceof SluiceError) return error.message;
    throw error;
  }
  throw new Error("The command was accepted and should have been refused.");
}
