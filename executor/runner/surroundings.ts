/** What a task may change of its process for itself, but not for the next task in it: environment variables, working folder. */
export class Surroundings {
  readonly #env = new Map(Object.entries(process.env));
  readonly #folder = process.cwd();

  /** Puts both back as they were when the process started. */
  restore(): void {
    for (const name of Object.keys(process.env)) if (!this.#env.has(name)) delete process.env[name];
    for (const [name, value] of this.#env)
      if (value !== undefined && process.env[name] !== value) process.env[name] = value;
    if (process.cwd() !== this.#folder) process.chdir(this.#folder);
  }
}
