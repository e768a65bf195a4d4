/**
 * A Sluice without pages and without a loader, for being killed: boots fast, says `ready`, and takes commands on its standard
 * input. It is put together as `cli/up.ts` does it: exclusive store, leftovers, logs, executor, scheduler.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { storeClientCalls } from "../../executor/client-calls.ts";
import { LocalExecutor } from "../../executor/local.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { killLeftovers } from "../../executor/recovery.ts";
import { storeTrigger } from "../../executor/trigger-run.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import { openStore } from "../../store/open.ts";
import { type Command, carryOut } from "./commands.ts";

/** What the harness says to an engine, a line of JSON each. */
export type ToEngine = { readonly id: number; readonly command: Command } | { readonly stop: true };

/** What an engine says, a line of JSON each; `ack` goes out after the commit that carried the command out. */
export type FromEngine =
  | { readonly ready: string; readonly cpuMs: number; readonly leftovers: readonly number[] }
  | { readonly ack: number; readonly affected: number }
  | { readonly refused: number; readonly code: string; readonly message: string };

/** Where everything of a lane lies, for the engine and for the harness. */
export function storeOptions(home: string) {
  return {
    url: `sqlite:${join(home, "sluice.db")}`,
    secretKey: new Uint8Array(32),
    hintFile: join(home, "hint"),
  };
}

const SLOTS = 6;

async function main(home: string): Promise<void> {
  const clock = systemClock;
  const workerId = `chaos-${process.pid}-${randomUUID().slice(0, 8)}`;
  const store = await openStore({ ...storeOptions(home), exclusive: true });
  const leftovers = await killLeftovers(home);
  const logs = new FolderLogStore(join(home, "logs"));
  const calls = storeClientCalls(store, { trigger: storeTrigger(store, clock) });
  const limits = { graceMs: 300, termMs: 100 };
  const base = { store, clock, logger: problems, workerId };
  const executor = new LocalExecutor({ ...base, home, logs, calls, slots: SLOTS, limits });
  const scheduler = new Scheduler({ ...base, executors: new Map([["local", executor]]) });
  await scheduler.start();
  const { user, system } = process.cpuUsage();
  say({ ready: executor.bootId, cpuMs: (user + system) / 1_000, leftovers });

  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as ToEngine;
    if ("stop" in message) break;
    const { id, command } = message;
    carryOut({ store, clock, actor: command.actor, triggeredBy: "rest_api" }, command).then(
      (affected) => say({ ack: id, affected }),
      (error: Error & { code?: string }) => say({ refused: id, code: error.code ?? "", message: error.message }),
    );
  }
  await scheduler.stop(1_000);
  await logs.close();
  await store.close();
  // Its input stays open as long as the harness lives.
  process.exit(0);
}

/** One write per line: a kill between two lines leaves whole lines. */
function say(message: FromEngine): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** What an engine warns of is shown when a run of the harness fails. */
const problems: Logger = {
  debug() {},
  info() {},
  warn: (fields, message) => console.error(`warn ${message}`, fields),
  error: (fields, message) => console.error(`error ${message}`, fields),
};

if (import.meta.main) await main(process.argv[2] ?? "");
