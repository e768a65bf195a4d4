import { appendFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { LogLine } from "../../executor/executor.ts";
import { LogBudget } from "../../executor/logs/budget.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { diskFiles, type LogFiles } from "../../executor/logs/log-writer.ts";
import { SecretMasker } from "../../executor/logs/masker.ts";
import { tempFolders } from "../support/temp.ts";

const attempt = { runKey: 7, tiNo: 2, tryNumber: 1, epoch: 5 };
const PATH = ["7", "2-1.ndjson"];

function line(message: string, more: Partial<LogLine> = {}): LogLine {
  return { at: 1_767_225_600_000, level: "info", source: "stdout", message, ...more };
}

function numbered(from: number, count: number): LogLine[] {
  return Array.from({ length: count }, (_, index) => line(`line ${from + index}`));
}

describe("FolderLogStore", () => {
  const newFolder = tempFolders();

  it("gives back what was appended, at once", async () => {
    const logs = new FolderLogStore(newFolder().path);
    logs.append(attempt, [line("one"), line("two", { level: "error", fields: { n: 1 } })]);
    const page = await logs.read(attempt, 0, 100);
    expect(page).to.deep.equal({
      lines: [line("one"), line("two", { level: "error", fields: { n: 1 } })],
      nextLine: 2,
      isEnd: true,
    });
    await logs.close();
  });

  it("has nothing to show of an attempt that printed nothing", async () => {
    const logs = new FolderLogStore(newFolder().path);
    expect(await logs.read(attempt, 0, 100)).to.deep.equal({ lines: [], nextLine: 0, isEnd: true });
    expect(await text(logs.stream(attempt))).to.equal("");
    await logs.close();
  });

  it("reads any window of a long log, and goes on when it grows", async () => {
    const logs = new FolderLogStore(newFolder().path);
    logs.append(attempt, numbered(0, 4_500));
    const whole = (await logs.read(attempt, 0, 10_000)).lines.map(({ message }) => message);
    expect(whole).to.have.length(4_500);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 3_000 }), async (from, limit) => {
        const page = await logs.read(attempt, from, limit);
        expect(page.lines.map(({ message }) => message)).to.deep.equal(whole.slice(from, from + limit));
        expect(page.nextLine).to.equal(Math.min(from + page.lines.length, 4_500));
        expect(page.isEnd).to.equal(from + limit >= 4_500);
      }),
      { numRuns: 60 },
    );
    logs.append(attempt, numbered(4_500, 600));
    const grown = await logs.read(attempt, 4_990, 10);
    expect(grown.lines[0]?.message).to.equal("line 4990");
    expect(grown).to.deep.include({ nextLine: 5_000, isEnd: false });
    await logs.close();
  });

  it("finds the end of a log of 100 MB again without reading it again", async () => {
    const folder = newFolder();
    await mkdir(folder.file("7"), { recursive: true });
    const chunk = `${JSON.stringify(line("x".repeat(900)))}\n`.repeat(10_000);
    for (let index = 0; index < 10; index++) await appendFile(folder.file(...PATH), chunk);
    const logs = new FolderLogStore(folder.path);
    const timed = async () => {
      const began = performance.now();
      const page = await logs.read(attempt, 99_990, 100);
      expect(page).to.deep.include({ nextLine: 100_000, isEnd: true });
      expect(page.lines).to.have.length(10);
      return performance.now() - began;
    };
    const first = await timed();
    const again = Math.min(await timed(), await timed(), await timed());
    expect(again).to.be.lessThan(first / 3);
    await logs.close();
  });

  it("keeps its files from other users of the machine", async () => {
    const folder = newFolder();
    const logs = new FolderLogStore(folder.file("logs"));
    logs.append(attempt, [line("private")]);
    logs.flush(attempt);
    expect((await stat(folder.file("logs", ...PATH))).mode & 0o777).to.equal(0o600);
    expect((await stat(folder.file("logs", "7"))).mode & 0o777).to.equal(0o700);
    await logs.close();
  });

  it("tells its watchers when lines have arrived, until they leave", async () => {
    const logs = new FolderLogStore(newFolder().path);
    let told = 0;
    const unwatch = logs.watch(attempt, () => told++);
    logs.append(attempt, [line("one")]);
    logs.flush(attempt);
    expect(told).to.equal(1);
    logs.append({ ...attempt, tiNo: 3 }, [line("somebody else's")]);
    logs.flush({ ...attempt, tiNo: 3 });
    unwatch();
    logs.append(attempt, [line("two")]);
    logs.flush(attempt);
    expect(told).to.equal(1);
    await logs.close();
  });

  it("writes a flood off the main thread, in order", async () => {
    const logs = new FolderLogStore(newFolder().path);
    const big = numbered(0, 3_000).map((each) => ({ ...each, message: each.message + "y".repeat(500) }));
    logs.append(attempt, big);
    expect(logs.flush(attempt)).to.be.a("promise");
    logs.append(attempt, [line("last")]);
    await logs.flush(attempt);
    const { lines } = await logs.read(attempt, 2_999, 10);
    expect(lines.map(({ message }) => message.slice(0, 9))).to.deep.equal(["line 2999", "last"]);
    await logs.close();
  });

  it("streams the whole log as text", async () => {
    const logs = new FolderLogStore(newFolder().path);
    logs.append(attempt, [line("hello"), line("bad", { level: "error", fields: { code: 5 } })]);
    expect(await text(logs.stream(attempt))).to.equal(
      '2026-01-01T00:00:00.000Z INFO    hello\n2026-01-01T00:00:00.000Z ERROR   bad {"code":5}\n',
    );
    await logs.close();
  });

  it("ignores a last line that is still being written", async () => {
    const folder = newFolder();
    const logs = new FolderLogStore(folder.path);
    logs.append(attempt, [line("whole")]);
    logs.flush(attempt);
    await appendFile(folder.file(...PATH), '{"at":1,"lev');
    expect(await logs.read(attempt, 0, 10)).to.deep.equal({ lines: [line("whole")], nextLine: 1, isEnd: true });
    await logs.close();
  });

  it("goes on behind a line that a crash tore", async () => {
    const folder = newFolder();
    await mkdir(folder.file("7"), { recursive: true });
    await writeFile(folder.file(...PATH), `${JSON.stringify(line("before"))}\n{"at":1,"lev`);
    const logs = new FolderLogStore(folder.path);
    logs.append(attempt, [line("after")]);
    const { lines } = await logs.read(attempt, 0, 10);
    expect(lines.map(({ message }) => message)).to.deep.equal(["before", '(damaged line) {"at":1,"lev', "after"]);
    await logs.close();
  });

  it("refuses keys that are not plain numbers", async () => {
    const logs = new FolderLogStore(newFolder().path);
    for (const bad of ["../../etc", Number.NaN, -1, 1.5])
      expect(() => logs.append({ ...attempt, runKey: bad as number }, [line("x")])).to.throw(RangeError);
    await logs.close();
  });

  it("deletes the logs of a run, pending lines included", async () => {
    const folder = newFolder();
    const logs = new FolderLogStore(folder.path);
    logs.append(attempt, [line("stored")]);
    logs.flush(attempt);
    logs.append(attempt, [line("pending")]);
    logs.append({ ...attempt, runKey: 70 }, [line("another run")]);
    await logs.deleteRun(7);
    expect((await logs.read(attempt, 0, 10)).lines).to.have.length(0);
    expect((await logs.read({ ...attempt, runKey: 70 }, 0, 10)).lines).to.have.length(1);
    await logs.close();
    expect(await readdir(folder.path)).to.deep.equal(["70"]);
  });

  it("holds few files open, however many attempts print", async () => {
    const logs = new FolderLogStore(newFolder().path);
    for (let tiNo = 0; tiNo < 300; tiNo++) {
      logs.append({ ...attempt, tiNo }, [line(`of ${tiNo}`)]);
      logs.flush({ ...attempt, tiNo });
    }
    expect((await readdir("/proc/self/fd")).length).to.be.lessThan(150);
    expect((await logs.read({ ...attempt, tiNo: 0 }, 0, 10)).lines).to.have.length(1);
    await logs.close();
  });

  it("masks secrets before anything is written", async () => {
    const folder = newFolder();
    const masker = new SecretMasker();
    masker.register("s3cr3t-value");
    const logs = new FolderLogStore(folder.path, { mask: masker.mask });
    logs.append(attempt, [line("user s3cr3t-value logged in", { fields: { deep: ["s3cr3t-value", 1] } })]);
    logs.flush(attempt);
    const stored = await readFile(folder.file(...PATH), "utf8");
    expect(stored).to.contain("user *** logged in").and.contain('["***",1]').and.not.contain("s3cr3t");
    await logs.close();
  });

  describe("on a full disk", () => {
    it("loses lines behind a remark, and goes on when there is space", async () => {
      const disk = new SmallDisk();
      const logs = new FolderLogStore(newFolder().path, { files: disk });
      logs.append(attempt, [line("kept")]);
      logs.flush(attempt);
      disk.room = 60; // Less than a line: it is torn in the middle.
      logs.append(attempt, [line("lost 1"), line("lost 2")]);
      logs.flush(attempt);
      logs.append(attempt, [line("lost 3")]);
      logs.flush(attempt);
      expect(logs.failure).to.contain("no space left");
      disk.room = Number.POSITIVE_INFINITY;
      logs.append(attempt, [line("kept again")]);
      logs.flush(attempt);
      expect(logs.failure).to.equal(undefined);
      const messages = (await logs.read(attempt, 0, 10)).lines.map(({ message }) => message);
      expect(messages[0]).to.equal("kept");
      expect(messages[1]).to.match(/^\(damaged line\)/);
      expect(messages.slice(2)).to.deep.equal([
        "3 lines are missing here (the disk refused them: ENOSPC).",
        "kept again",
      ]);
      await logs.close();
    });

    it("loses a flood as well, without failing whoever waits for it", async () => {
      const disk = new SmallDisk();
      disk.room = 100_000;
      const logs = new FolderLogStore(newFolder().path, { files: disk });
      logs.append(attempt, numbered(0, 10_000));
      await logs.flush(attempt);
      expect(logs.failure).to.contain("no space left");
      await logs.close();
    });
  });
});

/** A disk with room for so many bytes more. */
class SmallDisk implements LogFiles {
  room = Number.POSITIVE_INFINITY;
  readonly open = diskFiles.open;
  readonly close = diskFiles.close;

  writeSync(fd: number, bytes: Buffer): number {
    return this.#written(diskFiles.writeSync(fd, this.#fitting(bytes)));
  }

  async write(fd: number, bytes: Buffer): Promise<number> {
    return this.#written(await diskFiles.write(fd, this.#fitting(bytes)));
  }

  #fitting(bytes: Buffer): Buffer {
    if (this.room <= 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    return bytes.subarray(0, Math.min(bytes.length, this.room));
  }

  #written(count: number): number {
    this.room -= count;
    return count;
  }
}

describe("LogBudget", () => {
  it("admits lines up to the limit, then one marker, then none", () => {
    const budget = new LogBudget({ bytes: 1_000_000, lines: 2 });
    const admitted = numbered(0, 5).map((each) => budget.admit(each)?.message);
    expect(admitted.slice(0, 2)).to.deep.equal(["line 0", "line 1"]);
    expect(admitted[2]).to.match(/^truncated: the log of this try has reached its limit \(1000000 bytes or 2 lines\)/);
    expect(admitted.slice(3)).to.deep.equal([undefined, undefined]);
    expect(budget.close(0)?.message).to.equal("truncated: at least 3 lines were left out.");
  });

  it("says nothing at the end of a log that fits", () => {
    const budget = new LogBudget({ bytes: 1_000, lines: 10 });
    budget.admit(line("short"));
    expect(budget.close(0)).to.equal(undefined);
  });
});

describe("SecretMasker", () => {
  it("replaces a secret in each form in which it can be printed", () => {
    const masker = new SecretMasker();
    const secret = 'pa"ss/w\\rd ü?';
    masker.register(secret);
    const forms = [
      secret,
      JSON.stringify({ secret }),
      encodeURIComponent(secret),
      btoa(unescape(encodeURIComponent(secret))),
    ];
    for (const form of forms) {
      expect(masker.mask(`a ${form} b`)).to.contain("***");
      expect(masker.mask(`a ${form} b`)).to.not.contain(form);
    }
  });

  it("replaces each line of a secret of several lines", () => {
    const masker = new SecretMasker();
    masker.register("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----");
    expect(masker.mask("MIIEvQIBADANBg")).to.equal("***");
  });

  it("replaces the longer of two overlapping secrets whole", () => {
    const masker = new SecretMasker();
    masker.register("hunter");
    masker.register("hunter-and-more");
    expect(masker.mask("x hunter-and-more y hunter z")).to.equal("x *** y *** z");
  });

  it("leaves ordinary words alone: values that are missing or short", () => {
    const masker = new SecretMasker();
    for (const value of ["", "abc", null, undefined]) masker.register(value);
    expect(masker.mask("abc def")).to.equal("abc def");
  });
});
