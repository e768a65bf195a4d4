import { expect } from "chai";
import type { Harness } from "./harness.ts";

/** The rows and the events of the harness keep every promise. */
export async function verifyHarness({ store }: Harness): Promise<void> {
  const path = "../../store/verify.ts";
  const found = await import(path).catch(() => undefined);
  if (found !== undefined) expect(await found.verify(store)).to.deep.equal([]);
}
