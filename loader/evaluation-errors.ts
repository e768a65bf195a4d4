import { SourceMap } from "node:module";
import type { SourceLocation } from "../sdk/location.ts";
import type { Bundle } from "./bundle.ts";
import { DagFileError, type DagFileErrorCode } from "./dag-file-error.ts";
import type { EvaluateAnswer } from "./evaluate-protocol.ts";
import { firstAuthorLocation, relativeText } from "./stack.ts";

/** What went on when an evaluation failed. */
export interface EvaluationScene {
  readonly bundle: Bundle;
  /** Real path of the DAG folder. */
  readonly root: string;
  /** What the file has printed. */
  readonly output: string;
}

/** It did not end in time; `position` (from 0, in the bundle) is where it ran, if it ran. */
export function timeoutError(
  scene: EvaluationScene,
  timeoutMs: number,
  position: { readonly line: number; readonly column: number } | undefined,
): DagFileError {
  const { bundle } = scene;
  const location = position && originalLocation(bundle, position.line, position.column);
  return evaluationError(
    scene,
    "dag_file_timeout",
    `${place(location, bundle.file)}: it was not evaluated within ${timeoutMs / 1_000} s. ` +
      "A DAG file only describes its tasks: move loops, waiting and requests into a task.",
    { location },
  );
}

/** A top-level `await` that nothing will ever settle. */
export function stalledError(scene: EvaluationScene): DagFileError {
  const message = `${scene.bundle.file}: a top-level await never settles. Move what waits into a task.`;
  return evaluationError(scene, "dag_file_timeout", message);
}

/** It used more memory than it may. */
export function memoryError(scene: EvaluationScene, limitMb: number): DagFileError {
  return evaluationError(
    scene,
    "dag_file_memory",
    `${scene.bundle.file}: it needs more than the ${limitMb} MB that evaluating a DAG file may use. ` +
      "Move what loads or builds data into a task.",
  );
}

/** Its process ended without an answer. */
export function exitError(scene: EvaluationScene, code: number | null, signal: string | null): DagFileError {
  const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
  return evaluationError(scene, "dag_file_exited", `${scene.bundle.file}: its process ${how} while it was evaluated.`);
}

/** Its answer is too long. */
export function oversizedError(scene: EvaluationScene, limitBytes: number): DagFileError {
  return evaluationError(
    scene,
    "dag_file_output",
    `${scene.bundle.file}: it describes more than ${limitBytes / 1024 / 1024} MB of DAGs. Split it, or make them smaller.`,
  );
}

/** Its answer is not one. */
export function disturbedError(scene: EvaluationScene): DagFileError {
  return evaluationError(scene, "dag_file_invalid", `${scene.bundle.file}: it has disturbed its own evaluation.`);
}

/** It called `process.exit`. */
export function calledExitError(
  scene: EvaluationScene,
  answer: Extract<EvaluateAnswer, { readonly kind: "exit" }>,
): DagFileError {
  const stack = answer.stack && relativeText(answer.stack, scene.root).replace(/^.*\n/, "");
  const location = firstAuthorLocation(stack, scene.bundle, scene.root);
  const message = `${place(location, scene.bundle.file)}: it calls process.exit(${answer.code}) while it is evaluated. Remove the call.`;
  return evaluationError(scene, "dag_file_exited", message, { location, stack });
}

/** It threw, or describes a DAG that cannot be. */
export function thrownError(
  scene: EvaluationScene,
  answer: Extract<EvaluateAnswer, { readonly kind: "error" }>,
): DagFileError {
  const { bundle, root } = scene;
  const stack = answer.stack && relativeText(answer.stack, root);
  const named = answer.location && { ...answer.location, file: relativeText(answer.location.file, root) };
  const location = named ?? firstAuthorLocation(stack, bundle, root);
  const text = relativeText(answer.message, root);
  const isPlain = answer.isDefinition || answer.name === "Error";
  return evaluationError(
    scene,
    answer.isDefinition ? "dag_file_invalid" : "dag_file_threw",
    `${place(location, bundle.file)}: ${isPlain ? "" : `${answer.name}: `}${text}`,
    { location, stack },
  );
}

/** What Node prints at its own end: about our code and its heap, not about the author's. */
const NODES_OWN_WORDS = /<--- Last few GCs --->[\s\S]*$|Warning: Detected unsettled top-level await at .*\n.*\n.*\n?/g;

function evaluationError(
  scene: EvaluationScene,
  code: DagFileErrorCode,
  message: string,
  extra: { readonly location?: SourceLocation | undefined; readonly stack?: string | undefined } = {},
): DagFileError {
  const output = scene.output.replace(NODES_OWN_WORDS, "").trim();
  const parts = [extra.stack, output === "" ? undefined : `It printed:\n${output}`];
  const detail = parts.filter((part) => part !== undefined && part !== "").join("\n\n");
  return new DagFileError(code, scene.bundle.file, message, {
    location: extra.location,
    detail: detail === "" ? undefined : detail,
  });
}

function place(location: SourceLocation | undefined, file: string): string {
  return location === undefined ? file : `${location.file}:${location.line}:${location.column}`;
}

function originalLocation(bundle: Bundle, line: number, column: number): SourceLocation | undefined {
  const entry = new SourceMap(JSON.parse(bundle.sourceMap)).findEntry(line, column);
  if (!("originalSource" in entry)) return undefined;
  return { file: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}
