import { type Config, SETTINGS } from "./config.ts";

const SECRETS: ReadonlySet<string> = new Set(["secretKey", "databaseUrl"]);

/** Every setting with its value in force and where it came from; secrets are masked. */
export function describeSettings(
  config: Config,
): readonly { readonly name: string; readonly value: string; readonly origin: string; readonly about: string }[] {
  return Object.entries(SETTINGS).map(([key, setting]) => {
    const value = config[key as keyof typeof SETTINGS];
    const shown = SECRETS.has(key) ? maskUrl(String(value)) : Array.isArray(value) ? value.join(",") : String(value);
    return {
      name: setting.variable,
      value: shown,
      origin: config.origins[key as keyof typeof SETTINGS],
      about: setting.about,
    };
  });
}

/** A SQLite path is no secret; everything else is. */
function maskUrl(value: string): string {
  if (value === "") return "(key file)";
  return value.startsWith("sqlite:") ? value : "***";
}
