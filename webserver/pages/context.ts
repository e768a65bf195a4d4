import type { Request } from "express";
import type { CommandContext } from "../../store/commands/context.ts";
import type { WebDeps } from "../deps.ts";

/** The command context of the person behind a request; only for routes behind `requires`. */
export function commandContext(deps: WebDeps, request: Request): CommandContext {
  const actor = request.access?.principal.actor;
  if (actor === undefined) throw new Error("commandContext needs a route guarded by requires()");
  return { store: deps.store, clock: deps.clock, actor, triggeredBy: "ui" };
}

/** One path parameter of a request, decoded. */
export function pathParameter(request: Request, name: string): string {
  const value: unknown = request.params[name];
  return typeof value === "string" ? value : "";
}
