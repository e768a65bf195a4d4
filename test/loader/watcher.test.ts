import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { type FolderChanges, FolderWatcher } from "../../loader/watcher.ts";
import { FakeClock } from "../support/clock.ts";
import { within } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { write } from "./support.ts";

describe("FolderWatcher", () => {
  const folder = tempFolders();
  const watchers: FolderWatcher[] = [];
  afterEach(async () => {
    for (const watcher of watchers.splice(0)) await watcher.stop();
  });

  /** Starts watching and waits for the first look. Routine looks are an hour apart: only events are seen. */
  async function watching(root: string, inputs: ReadonlySet<string> = new Set(), clock = systemClock) {
    const seen: FolderChanges[] = [];
    const listeners = new Set<() => void>();
    const watcher = new FolderWatcher({
      folder: root,
      clock,
      rescanMs: 3_600_000,
      inputs: () => inputs,
      onDegraded: (reason) => expect.fail(reason),
      onChanges: (changes) => {
        seen.push(changes);
        for (const listener of listeners) listener();
      },
    });
    watchers.push(watcher);
    const until = (condition: (changes: FolderChanges) => boolean, from = seen.length) =>
      within(
        new Promise<FolderChanges>((resolve) => {
          const check = () => {
            const found = seen.slice(from).find(condition);
            if (found === undefined) return;
            listeners.delete(check);
            resolve(found);
          };
          listeners.add(check);
          check();
        }),
        5_000,
        () => `seen: ${JSON.stringify(seen.map(({ changed, removed }) => ({ changed, removed })))}`,
      );
    const changes = (path: string) => until(({ changed }) => changed.some((file) => file.path === path));
    const removes = (path: string) => until(({ removed }) => removed.includes(path));
    watcher.start();
    if (clock === systemClock) await until(({ isFirst }) => isFirst, 0);
    return { watcher, seen, until, changes, removes };
  }

  it("reports what is there first, then new, changed and deleted files", async () => {
    const root = folder();
    write(root.file("a.ts"), "1");
    const { seen, changes, removes } = await watching(root.path);
    expect(seen[0]?.changed.map((file) => file.path)).to.deep.equal(["a.ts"]);
    write(root.file("b.ts"), "1");
    await changes("b.ts");
    write(root.file("a.ts"), "2");
    await changes("a.ts");
    unlinkSync(root.file("a.ts"));
    await removes("a.ts");
  });

  it("reports an atomic save and a save by delete and create", async () => {
    const root = folder();
    write(root.file("a.ts"), "1");
    const { changes } = await watching(root.path);
    write(root.file(".a.ts.tmp"), "2");
    renameSync(root.file(".a.ts.tmp"), root.file("a.ts"));
    await changes("a.ts");
    unlinkSync(root.file("a.ts"));
    write(root.file("a.ts"), "3");
    await changes("a.ts");
  });

  it("reports files in new folders, in folders within them, and in folders moved in and out", async () => {
    const root = folder();
    const outside = folder();
    write(outside.file("pack/x.ts"), "1");
    const { changes, removes } = await watching(root.path);
    write(root.file("one/two/three.ts"), "1");
    await changes("one/two/three.ts");
    write(root.file("one/two/four.ts"), "1");
    await changes("one/two/four.ts");
    renameSync(outside.file("pack"), root.file("pack"));
    await changes("pack/x.ts");
    write(root.file("pack/x.ts"), "22");
    await changes("pack/x.ts");
    renameSync(root.file("pack"), outside.file("pack"));
    await removes("pack/x.ts");
  });

  it("reports a folder that is deleted and made again", async () => {
    const root = folder();
    write(root.file("one/a.ts"), "1");
    const { changes, removes } = await watching(root.path);
    rmSync(root.file("one"), { recursive: true });
    await removes("one/a.ts");
    write(root.file("one/a.ts"), "1");
    await changes("one/a.ts");
  });

  it("reports changes behind symlinks, and a symlink that is pointed elsewhere", async () => {
    const root = folder();
    const outside = folder();
    write(outside.file("real.ts"), "1");
    write(outside.file("v1/x.ts"), "1");
    write(outside.file("v2/x.ts"), "2");
    symlinkSync(outside.file("real.ts"), root.file("linked.ts"));
    symlinkSync(outside.file("v1"), root.file("current"));
    const { changes } = await watching(root.path);
    write(outside.file("real.ts"), "2");
    await changes("linked.ts");
    write(outside.file("v1/x.ts"), "3");
    await changes("current/x.ts");
    symlinkSync(outside.file("v2"), root.file("next"));
    renameSync(root.file("next"), root.file("current"));
    await changes("current/x.ts");
  });

  it("reports a folder with a dot in its name, and a mount that swaps one hidden link", async () => {
    const root = folder();
    write(root.file("..v1/a.ts"), "1");
    write(root.file("..v2/a.ts"), "2");
    symlinkSync("..v1", root.file("..data"));
    symlinkSync("..data/a.ts", root.file("a.ts"));
    const { changes } = await watching(root.path);
    write(root.file("v1.2/b.ts"), "1");
    await changes("v1.2/b.ts");
    symlinkSync("..v2", root.file("..tmp"));
    renameSync(root.file("..tmp"), root.file("..data"));
    await changes("a.ts");
  });

  it("waits for a folder that is missing, and takes a missing one for unknown, not for empty", async () => {
    const parent = folder();
    const root = parent.file("dags");
    const { seen, changes, until } = await watching(root);
    expect(seen[0]?.isReadable).to.equal(false);
    mkdirSync(root);
    write(parent.file("dags/a.ts"), "1");
    await changes("a.ts");
    renameSync(root, parent.file("away"));
    const away = await until(({ isReadable }) => !isReadable);
    expect(away.removed).to.deep.equal([]);
    const back = until(({ isReadable }) => isReadable);
    renameSync(parent.file("away"), root);
    expect((await back).removed).to.deep.equal([]);
  });

  it("follows the DAG folder when it is a symlink that is moved to the next release", async () => {
    const parent = folder();
    write(parent.file("r1/a.ts"), "1");
    write(parent.file("r2/a.ts"), "1");
    symlinkSync("r1", parent.file("dags"));
    const { changes } = await watching(parent.file("dags"));
    symlinkSync("r2", parent.file("dags.new"));
    renameSync(parent.file("dags.new"), parent.file("dags"));
    await changes("a.ts");
  });

  it("reports imported files outside the folder", async () => {
    const root = folder();
    const helper = folder().file("helper.ts");
    write(helper, "1");
    const { seen, until } = await watching(root.path, new Set([helper]));
    const before = seen[0]?.inputs.get(helper);
    expect(before).to.be.a("string");
    write(helper, "22");
    const changed = await until(({ inputs }) => inputs.get(helper) !== before);
    expect(changed.isRoutine).to.equal(false);
  });

  it("finds without any event what a routine look shows", async () => {
    const root = folder();
    const clock = new FakeClock();
    const { watcher, seen, until } = await watching(root.path, new Set(), clock);
    clock.advance(0);
    await until(({ isFirst }) => isFirst, 0);
    await watcher.look();
    const count = seen.length;
    clock.advance(3_600_000);
    expect((await until(() => true, count)).isRoutine).to.equal(true);
  });

  it("does not look for files that no author writes", async () => {
    const root = folder();
    const { seen, changes } = await watching(root.path);
    const count = seen.length;
    for (let at = 0; at < 20; at++) write(root.file("data.csv"), String(at));
    write(root.file("a.ts"), "1");
    await changes("a.ts");
    expect(seen.length - count).to.be.lessThan(4);
  });
});
