import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { isSecretName, MASK, maskJson, maskText, unmaskJson, unmaskText } from "../../webserver/masking.ts";

describe("masking", () => {
  it("knows secrets by their names, however they are spelt", () => {
    for (const name of ["password", "DB_PASSWORD", "apiKey", "mail-api-key", "x_token", "clientSecret", "privateKey"])
      expect(isSecretName(name), name).to.equal(true);
    for (const name of ["warehouse_url", "passenger", "key", "region"])
      expect(isSecretName(name), name).to.equal(false);
  });

  it("masks by name, and inside JSON by key at any depth", () => {
    expect(maskText("db_password", "hunter2")).to.equal(MASK);
    expect(maskText("url", "https://x")).to.equal("https://x");
    const text = maskText("settings", '{"host":"h","auth":[{"token":"t"}]}');
    expect(JSON.parse(text)).to.deep.equal({ host: "h", auth: [{ token: MASK }] });
  });

  it("keeps what is stored behind every mask that is sent back, and takes what is new", () => {
    expect(unmaskText(MASK, "hunter2")).to.equal("hunter2");
    expect(unmaskText("new", "hunter2")).to.equal("new");
    const sent = '{"host":"other","token":"***","more":"***"}';
    expect(JSON.parse(unmaskText(sent, '{"host":"h","token":"t"}'))).to.deep.equal({
      host: "other",
      token: "t",
      more: MASK,
    });
  });

  it("gives every JSON value back unchanged after a mask and its return", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.parse(JSON.stringify(value));
        expect(unmaskJson(maskJson(json), json)).to.deep.equal(json);
      }),
    );
  });

  it("never lets a value under a secret name through", () => {
    fc.assert(
      fc.property(fc.constantFrom("password", "api_key", "Token"), fc.uuid(), (name, secret) => {
        const json = { deep: [{ [name]: secret, [`${name}s`]: { inner: secret } }] };
        expect(JSON.stringify(maskJson(json))).not.to.contain(secret);
      }),
    );
  });
});
