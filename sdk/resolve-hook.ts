import { registerHooks } from "node:module";

/** ".ts" in the repository, ".js" in the published package. */
const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const here = (file: string) => new URL(`${file}${ending}`, import.meta.url).href;

/** The names under which DAG files know this SDK. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["sluice", here("./index")],
  ["sluice/operators", here("./operators/index")],
  ["sluice/testing", here("./testing/index")],
  ["sluice/client", here("./client/index")],
  ["apache-airflow-ts-sdk", here("./index")],
  ["@apache-airflow/ts-sdk", here("./index")],
]);

/** Libraries that authors may use without installing them; an own copy beside the DAG file goes first. */
const LENT = /^zod(?:\/|$)/;

let isRegistered = false;

/**
 * From here on, `import … from "sluice"` (and the names of Airflow's SDK) means this installation, wherever the
 * importing module lies. Call it before a bundle is imported; calling it again changes nothing.
 */
export function registerSdkResolution(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = NAMES.get(specifier);
      if (url !== undefined) return { url, shortCircuit: true };
      if (!LENT.test(specifier)) return nextResolve(specifier, context);
      try {
        return nextResolve(specifier, context);
      } catch {
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      }
    },
  });
}
