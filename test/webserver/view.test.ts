import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { render } from "../../webserver/view.ts";
import { committedFiles } from "../support/sources.ts";

describe("views", () => {
  const outside = process.env.SLUICE_DEV;
  before(() => {
    process.env.SLUICE_DEV = "1";
  });
  after(() => {
    if (outside === undefined) delete process.env.SLUICE_DEV;
    else process.env.SLUICE_DEV = outside;
  });

  it("escape what they show", () => {
    expect(render("partials/state", { state: "failed", label: `<b>"x"` })).to.contain("&lt;b&gt;&#34;x&#34;");
  });

  it("refuse a model that lacks a field, at any depth", () => {
    expect(() => render("partials/time", {})).to.throw(/reads "iso"/);
    expect(() => render("partials/bars", { bars: [{ state: "failed" }] })).to.throw(/partials\/bars.*reads "height"/);
  });

  it("take a field that is there and empty for what it is", () => {
    expect(render("partials/time", { iso: "", relative: "", absolute: "", style: "both" })).to.contain("–");
  });

  it("hold no inline script, style or handler: the policy forbids them", () => {
    const inline = committedFiles()
      .filter(({ path }) => path.startsWith("webserver/views/"))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/<script(?![^>]*\ssrc=)|<style|\sstyle="|\son\w+="|\shx-on|javascript:/gi)].map(
          (match) => `${path}: ${match[0]}`,
        ),
      );
    expect(inline).to.deep.equal([]);
  });
});
