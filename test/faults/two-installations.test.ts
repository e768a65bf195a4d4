import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { openStore } from "../../store/open.ts";
import { verify } from "../../store/verify.ts";
import { startScript } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";

describe("two installations on one database file", function () {
  this.timeout(90_000);
  const newFolder = tempFolders();

  it("lets the second refuse with a clear message, and the first go on; kill -9 frees the place", async () => {
    const folder = newFolder("two");
    const home = folder.file("home");
    const env = { SLUICE_HOME: home, SLUICE_DAGS: folder.file("dags"), SLUICE_PORT: "0", SLUICE_LOG_LEVEL: "warn" };
    const up = (more = {}) =>
      startScript("cli/main.ts", ["up", "--json"], { cwd: folder.path, env: { ...env, ...more } });

    await using first = up();
    const { url, pid } = JSON.parse(await first.line('"url"', 60_000)) as { url: string; pid: number };
    expect(pid).to.equal(first.pid);

    // Its own state folder, but the same database file.
    const database = { SLUICE_HOME: folder.file("other"), SLUICE_DATABASE_URL: `sqlite:${home}/sluice.db` };
    for (const more of [{}, database]) {
      await using second = up(more);
      const { code } = await second.ended;
      expect(code).to.be.greaterThan(0);
      expect(JSON.parse(second.stdout())).to.have.nested.property("error.code", "database_in_use");
      expect(second.stderr())
        .to.contain(`process ${pid}`)
        .and.match(/Stop it first/);
      expect(second.stderr()).to.not.match(/\n\s+at /);
    }
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);

    await first.kill();
    await using third = up();
    const answer = JSON.parse(await third.line('"url"', 60_000)) as { url: string };
    expect((await fetch(`${answer.url}/healthz`)).status).to.equal(200);
    expect((await third.stop()).code).to.equal(0);

    expect(existsSync(`${home}/sluice.db`)).to.equal(true);
    const secretKey = readFileSync(`${home}/secret.key`, "utf8").trim();
    const store = await openStore({ url: `sqlite:${home}/sluice.db`, secretKey: Buffer.from(secretKey, "hex") });
    expect(await verify(store)).to.deep.equal([]);
    await store.close();
  });
});
