import type { Router } from "express";
import { DEFAULT_POOL } from "../../core/definition.ts";
import type { PoolRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { field, issueOf } from "../forms/field.ts";
import { flagOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { poolRow } from "./home.ts";
import { cell, type NamedKind, namedThingsRouter, rejectIssues } from "./named-things.ts";

/** `/admin/pools`: slots that tasks share, and what holds them now. */
export function poolsRouter(deps: WebDeps): Router {
  return namedThingsRouter(deps, () => poolKind(deps));
}

type PoolUse = Awaited<ReturnType<WebDeps["store"]["admin"]["poolUse"]>>;

function poolKind(deps: WebDeps): NamedKind<PoolRow> {
  let use: PoolUse = new Map();
  return {
    path: "/admin/pools",
    resource: "pool",
    noun: "pool",
    title: "Pools",
    nav: "pools",
    about: "A pool limits how many task instances run at once. A task takes its slots while it is queued and running.",
    columns: ["Pool", "In use", "Running", "Queued", "Waiting for a slot", "Deferred", "Description"],
    emptyText: "Without pools nothing is limited.",
    rows: async () => {
      use = await deps.store.admin.poolUse();
      return deps.store.admin.pools();
    },
    keyOf: (pool) => pool.name,
    cells: (pool) => {
      const now = use.get(pool.name);
      const row = poolRow(pool, now);
      return [
        cell(pool.name, "name"),
        { text: row.text, kind: "meter", value: row.used, max: row.slots, isFull: row.isFull },
        cell(String(now?.running ?? 0)),
        cell(String(now?.queued ?? 0)),
        cell(String(now?.scheduled ?? 0)),
        cell(`${now?.deferred ?? 0}${pool.includeDeferred ? " (count)" : ""}`),
        cell(pool.description ?? "", "muted"),
      ];
    },
    deleteRefusal: (pool) => (pool.name === DEFAULT_POOL ? "Tasks use this pool unless they name another one." : ""),
    texts: (pool) => ({
      name: pool?.name ?? "",
      slots: String(pool?.slots ?? 1),
      description: pool?.description ?? "",
      include_deferred: pool?.includeDeferred ? "1" : "",
    }),
    fields: (typed, pool, issues) => [
      ...(pool
        ? []
        : [
            field({
              kind: "text",
              name: "name",
              label: "Name",
              value: textOf(typed, "name"),
              isRequired: true,
              error: issueOf(issues, "name"),
            }),
          ]),
      field({
        kind: "number",
        name: "slots",
        label: "Slots",
        hint: "−1 for no limit. Fewer slots than are in use stop nothing; they only let nothing new begin.",
        value: textOf(typed, "slots"),
        min: "-1",
        step: "1",
        isRequired: true,
        error: issueOf(issues, "slots"),
      }),
      field({ kind: "text", name: "description", label: "Description", value: textOf(typed, "description") }),
      field({
        kind: "checkbox",
        name: "include_deferred",
        label: "Deferred task instances hold their slots",
        isChecked: flagOf(typed, "include_deferred"),
      }),
    ],
    change: (form, pool) => {
      const name = pool?.name ?? textOf(form, "name");
      const slots = wholeNumberOf(form, "slots", -1, 1_000_000);
      rejectIssues("pool", [
        ...(name === "" || name.length > 250 ? [{ path: "name", message: "must have 1 to 250 characters" }] : []),
        ...(slots === undefined ? [{ path: "slots", message: "must be a whole number from −1 to 1,000,000" }] : []),
      ]);
      return {
        kind: "pool.put",
        mode: pool ? "update" : "create",
        pool: {
          name,
          slots: slots ?? 0,
          description: textOf(form, "description") || null,
          includeDeferred: flagOf(form, "include_deferred"),
        },
      };
    },
    remove: (name) => ({ kind: "pool.delete", name }),
  };
}
