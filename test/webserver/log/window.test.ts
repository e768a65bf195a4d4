import { expect } from "chai";
import { describe, it } from "mocha";
import { FolderLogStore } from "../../../executor/logs/folder.ts";
import { logLineHtml } from "../../../webserver/log/lines.ts";
import { logWindow, WHOLE_LIMIT, WINDOW } from "../../../webserver/log/window.ts";
import { tempFolders } from "../../support/temp.ts";

const key = { runKey: 1, tiNo: 0, tryNumber: 1 };
const all = { from: undefined, level: "debug", search: "" } as const;

describe("logWindow", () => {
  const folder = tempFolders();

  function logOf(count: number, change: (at: number) => object = () => ({})): FolderLogStore {
    const logs = new FolderLogStore(folder().path);
    logs.append(
      { ...key, epoch: 1 },
      Array.from({ length: count }, (_, at) => ({
        at: 1_700_000_000_000 + at,
        level: "info" as const,
        source: "stdout",
        message: `line ${at + 1}`,
        ...change(at),
      })),
    );
    return logs;
  }

  it("shows all of a log that fits, numbered from 1", async () => {
    const logs = logOf(1_200, (at) => (at === 700 ? { level: "error" } : {}));
    const log = await logWindow(logs, key, all);
    expect([log.total, log.first, log.last, log.next, log.firstError]).to.deep.equal([1_200, 1, 1_200, 1_200, 701]);
    expect(log.sectionsHtml).to.have.length(3);
    expect(log.sectionsHtml[1]).to.contain('is-first-error" id="L701"');
    await logs.close();
  });

  it("shows the end of a long log, and any window asked for", async () => {
    const logs = logOf(WHOLE_LIMIT + 10);
    const end = await logWindow(logs, key, all);
    expect([end.total, end.first, end.last, end.next]).to.deep.equal([5_010, 4_011, 5_010, 5_010]);
    const middle = await logWindow(logs, key, { ...all, from: 2_000 });
    expect([middle.first, middle.last, middle.shown]).to.deep.equal([2_001, 2_000 + WINDOW, WINDOW]);
    const beyond = await logWindow(logs, key, { ...all, from: 99_999 });
    expect([beyond.first, beyond.last]).to.deep.equal([5_010, 5_010]);
    await logs.close();
  });

  it("finds text and levels anywhere in a long log, with their numbers", async () => {
    const logs = logOf(12_000, (at) =>
      at % 5_000 === 4_999 ? { level: "warning", message: "Disk Almost FULL", fields: { free: at } } : {},
    );
    const found = await logWindow(logs, key, { ...all, search: "almost full" });
    expect([found.shown, found.first, found.last, found.isPartial]).to.deep.equal([2, 5_000, 10_000, false]);
    expect((await logWindow(logs, key, { ...all, level: "warning" })).shown).to.equal(2);
    expect((await logWindow(logs, key, { ...all, level: "error" })).shown).to.equal(0);
    expect((await logWindow(logs, key, { ...all, search: '"free":4999' })).first).to.equal(5_000);
    await logs.close();
  });

  it("says when a search stopped before the end", async () => {
    const logs = logOf(3_000);
    const found = await logWindow(logs, key, { ...all, search: "line" });
    expect([found.shown, found.last, found.isPartial]).to.deep.equal([1_000, 1_000, true]);
    await logs.close();
  });

  it("is empty where nothing was written", async () => {
    const logs = new FolderLogStore(folder().path);
    expect(await logWindow(logs, key, all)).to.deep.include({
      total: 0,
      first: 0,
      last: 0,
      shown: 0,
      sectionsHtml: [],
    });
    await logs.close();
  });
});

describe("logLineHtml", () => {
  it("escapes messages and fields", () => {
    const line = {
      at: 0,
      level: "info",
      source: "stdout",
      message: "<img src=x>",
      fields: { "<b>": "</div>" },
    } as const;
    const html = logLineHtml(line, 7);
    expect(html).to.contain("&lt;img src=x&gt;").and.contain("{&quot;&lt;b&gt;&quot;:&quot;&lt;/div&gt;&quot;}");
    expect(html).to.contain('id="L7"').and.not.contain("<img").and.not.contain("<b>");
  });

  it("cuts a line of a megabyte", () => {
    const line = { at: 0, level: "info", source: "stdout", message: "x".repeat(1_000_000) } as const;
    expect(logLineHtml(line, 1).length).to.be.below(11_000);
    expect(logLineHtml(line, 1)).to.contain("990,000 more characters");
  });
});
