import type { Router } from "express";
import type { WebDeps } from "../deps.ts";
import { dagCodeRouter } from "./dag-code.ts";
import { dagDetailsRouter } from "./dag-details.ts";
import { dagGraphRouter } from "./dag-graph.ts";
import { dagGridRouter } from "./dag-grid.ts";
import { dagOverviewRouter } from "./dag-overview.ts";
import { dagRunsRouter } from "./dag-runs.ts";
import { dagTasksRouter } from "./dag-tasks.ts";
import { runRouter } from "./run.ts";
import { taskRouter } from "./task.ts";
import { taskLogRouter } from "./task-log.ts";

/** The pages of one DAG, its runs and their tasks. */
export const DAG_PAGES: readonly ((deps: WebDeps) => Router)[] = [
  dagOverviewRouter,
  dagGridRouter,
  dagGraphRouter,
  dagRunsRouter,
  dagTasksRouter,
  dagCodeRouter,
  dagDetailsRouter,
  runRouter,
  taskRouter,
  taskLogRouter,
];
