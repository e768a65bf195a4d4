import { z } from "zod";

/** Parent to child, one line of JSON. */
export interface EvaluateRequest {
  /** Random; the answer repeats it, so that nothing else on the channel is taken for one. */
  readonly id: string;
  /** The `file:` URL under which the bundle is imported: that of the DAG file, so that `import.meta` means what it says. */
  readonly url: string;
  /** The bundle with its source map inline. */
  readonly code: string;
  /** Whether another file may follow, if this one leaves nothing behind. */
  readonly mayFollow: boolean;
}

const LocationSchema = z.object({ file: z.string(), line: z.number().int(), column: z.number().int() });

const AnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("dags"), definitions: z.array(z.unknown()), isClean: z.boolean().default(false) }),
  z.object({
    kind: z.literal("error"),
    name: z.string(),
    message: z.string(),
    stack: z.string().optional(),
    location: LocationSchema.optional(),
    isDefinition: z.boolean().optional(),
  }),
  z.object({ kind: z.literal("stalled") }),
  z.object({ kind: z.literal("exit"), code: z.string(), stack: z.string().optional() }),
]);

/** Child to parent, one line of JSON. The child runs author code: nothing in it is trusted. */
export const EvaluateAnswerSchema = z.object({ id: z.string(), answer: AnswerSchema });

/**
 * What the child answers: definitions still unchecked (and whether the process is as it was before), the error that was thrown,
 * a top-level `await` that can never settle, or a call of `process.exit`.
 */
export type EvaluateAnswer = z.infer<typeof AnswerSchema>;
