import { expect } from "chai";
import { verify } from "../../store/verify.ts";
import type { Harness } from "./harness.ts";

/** The rows and the events of the harness keep every promise. */
export async function verifyHarness({ store }: Harness): Promise<void> {
  expect(await verify(store)).to.deep.equal([]);
}
