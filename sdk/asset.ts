import { checkSpec, name } from "./checks.ts";
import { DagDefinitionError } from "./errors.ts";

/** Names data that tasks make and use. What is missing of `name` and `uri` is taken from the other. */
export interface AssetSpec {
  readonly name?: string;
  readonly uri?: string;
}

/**
 * The identity of an asset.
 *
 * @example
 * ```ts
 * import { Asset } from "sluice";
 * export const orders = new Asset({ name: "orders", uri: "s3://shop/orders" });
 * ```
 */
export class Asset {
  readonly name: string;
  readonly uri: string;

  /** @throws DagDefinitionError without name and uri, and for unknown keys. */
  constructor(spec: AssetSpec) {
    const { name: assetName, uri } = readAsset(spec);
    const either = assetName ?? uri;
    if (either === undefined) throw new DagDefinitionError("An Asset needs a name or a uri.");
    this.name = assetName ?? either;
    this.uri = uri ?? either;
    Object.freeze(this);
  }

  /** Names an asset that is declared elsewhere, by exactly one of its names. @throws DagDefinitionError */
  static ref(spec: AssetSpec): AssetRef {
    const { name: assetName, uri } = readAsset(spec);
    if (assetName !== undefined && uri === undefined) return Object.freeze({ name: assetName });
    if (assetName === undefined && uri !== undefined) return Object.freeze({ uri });
    throw new DagDefinitionError("Asset.ref needs either a name or a uri, not both.");
  }
}

/** Points at an asset by one of its names. */
export type AssetRef =
  | { readonly name: string; readonly uri?: undefined }
  | { readonly uri: string; readonly name?: undefined };

function readAsset(spec: unknown): AssetSpec {
  try {
    return checkSpec(spec ?? {}, { name, uri: name });
  } catch (error) {
    throw new DagDefinitionError(`An Asset: ${error instanceof Error ? error.message : String(error)}`);
  }
}
