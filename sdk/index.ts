export type { TriggerRule, WeightRule } from "../core/definition.ts";
export type { Json, JsonObject } from "../core/json.ts";
export { Asset, type AssetRef, type AssetSpec } from "./asset.ts";
export { Bundle, type TaskHandler } from "./bundle.ts";
export { type Connection, getClient, type TaskClient, type XComSelector } from "./client-facade.ts";
export type { IfNode, SwitchNode } from "./condition.ts";
export { type DataIntervalDates, getContext, type LogFields, type TaskContext, type TaskLog } from "./context.ts";
export { Dag } from "./dag.ts";
export type { Duration } from "./durations.ts";
export {
  ConnectionNotFoundError,
  DagDefinitionError,
  FailFast,
  RetryAfter,
  Skip,
  VariableNotFoundError,
  XComValueError,
} from "./errors.ts";
export type { Jsonify, JsonLiteral } from "./json-types.ts";
export type { SourceLocation } from "./location.ts";
export type { DagNode, TaskRef } from "./node.ts";
export type { NoInputs } from "./operator.ts";
export * from "./operators/index.ts";
export type { ParamsSchema } from "./params.ts";
export { cronInterval, crons, events, every, type Schedule, type ScheduleSpec } from "./schedule.ts";
export type { Handler, Scope, SwitchChoice, TaskGroup } from "./scope.ts";
export type { DagSpec, RetrySpec, TaskDefaults, TaskGroupSpec, TaskSpec } from "./spec.ts";
export type { TaskFactory, TaskInput, TaskInputs } from "./task.ts";
