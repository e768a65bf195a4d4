import { z } from "zod";
import type { VariableRow } from "../../store/rows.ts";
import { maskText, unmaskText } from "../masking.ts";
import { thingName } from "./conventions.ts";
import { namedRoutes } from "./named-things.ts";
import type { AnyRoute } from "./route.ts";

const variableBody = z.strictObject({
  key: thingName,
  value: z.string().max(100_000),
  description: z.string().max(10_000).nullish(),
});
const variableAnswer = z.object({
  key: z.string(),
  value: z.string().describe("`***` where the key, or a key inside the JSON value, looks like a secret"),
  description: z.string().nullable(),
  is_encrypted: z.boolean(),
});

/** `/api/v2/variables`. */
export const VARIABLE_ROUTES: readonly AnyRoute[] = namedRoutes({
  path: "/v2/variables",
  idName: "variable_key",
  idKey: "key",
  listKey: "variables",
  kind: "variable",
  tag: "Variable",
  body: variableBody,
  answer: variableAnswer,
  list: async (store) => (await store.admin.variables()).map(toVariable),
  exists: async (store, id) => (await store.admin.variable(id)) !== undefined,
  async put(store, { key, value, description }, mode) {
    const old = mode === "create" ? undefined : await store.admin.variable(key);
    return {
      kind: "variable.put",
      mode,
      variable: { key, value: old ? meantBy(value, old) : value, description: description ?? null },
    };
  },
  remove: (id) => ({ kind: "variable.delete", key: id }),
});

/** What was shown and comes back unchanged keeps its very text; a mask within it stands for what is stored there. */
function meantBy(value: string, old: VariableRow): string {
  const shown = maskText(old.key, old.value);
  if (value === shown) return old.value;
  return shown === old.value ? value : unmaskText(value, old.value);
}

function toVariable(variable: VariableRow): z.input<typeof variableAnswer> {
  return {
    key: variable.key,
    value: maskText(variable.key, variable.value),
    description: variable.description,
    is_encrypted: variable.isEncrypted,
  };
}
