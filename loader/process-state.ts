/** Memory beyond which a process is not used again, bytes. */
const MAX_HEAP = 150 * 1024 * 1024;

/**
 * Remembers how this process is, and gives a function that says whether it still is so: no timer, socket or child left, no
 * listener, variable or working directory changed, no global added, removed or patched. Asked after a DAG file was
 * evaluated; another one may only be evaluated in the same process when nothing tells it that it is not the first.
 */
export function rememberProcess(): () => boolean {
  const { is } = Object;
  const { ownKeys, getOwnPropertyDescriptor } = Reflect;
  const watched = watchedObjects().map((object) => ({ object, slots: slotsOf(object) }));
  const before = circumstances();
  const names = ownKeys(globalThis).length;
  const values = globals();

  return () => {
    try {
      if (process.memoryUsage().heapUsed > MAX_HEAP || circumstances() !== before) return false;
      if (ownKeys(globalThis).length !== names || globals().some((value, at) => !is(value, values[at]))) return false;
      return watched.every(isUntouched);
    } catch {
      return false;
    }
  };

  function slotsOf(object: object): Map<PropertyKey, unknown[]> {
    return new Map(ownKeys(object).map((key) => [key, slotOf(object, key)]));
  }

  function slotOf(object: object, key: PropertyKey): unknown[] {
    const { value, get, set } = getOwnPropertyDescriptor(object, key) ?? {};
    return [value, get, set];
  }

  function isUntouched({ object, slots }: { object: object; slots: ReadonlyMap<PropertyKey, unknown[]> }): boolean {
    const keys = ownKeys(object);
    if (keys.length !== slots.size) return false;
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] ?? "";
      const [value, get, set] = slotOf(object, key);
      const slot = slots.get(key);
      if (slot === undefined || !is(slot[0], value) || !is(slot[1], get) || !is(slot[2], set)) return false;
    }
    return true;
  }
}

/** What is shared by all modules of a process, and can be patched: the language's own objects and the console. */
function watchedObjects(): object[] {
  const objects: object[] = [console];
  for (const found of globals()) {
    if ((typeof found !== "object" && typeof found !== "function") || found === null) continue;
    objects.push(found);
    const { prototype } = found as { prototype?: object };
    if (prototype !== undefined) objects.push(prototype);
  }
  return objects;
}

const LANGUAGE = [
  ...["Object", "Function", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Date", "RegExp", "Promise"],
  ...["Error", "TypeError", "RangeError", "SyntaxError", "JSON", "Math", "Reflect", "Proxy", "Intl", "Atomics"],
  ...["Map", "Set", "WeakMap", "WeakSet", "WeakRef", "ArrayBuffer", "Uint8Array", "DataView", "Iterator", "Buffer"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "clearTimeout", "parseInt", "parseFloat"],
];

/** Only these: looking at every global would load the modules behind the lazy ones. */
function globals(): unknown[] {
  return LANGUAGE.map((name) => (globalThis as unknown as Record<string, unknown>)[name]);
}

/** All else that a module can change for the next one, as text. */
function circumstances(): string {
  const listeners = process.eventNames().map((name) => `${String(name)}:${process.listenerCount(name)}`);
  const parts = [
    process.getActiveResourcesInfo(),
    listeners,
    process.env,
    process.cwd(),
    process.exitCode,
    process.title,
  ];
  return JSON.stringify([...parts, process.umask(), Error.stackTraceLimit, typeof process.exit]);
}
