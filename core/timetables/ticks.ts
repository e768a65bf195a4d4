/** A rising series of instants (epoch ms) that a schedule fires at. Both directions answer in bounded time. */
export interface Ticks {
  /** The first tick later than `instant`; undefined when there is none. */
  after(instant: number): number | undefined;
  /** The last tick earlier than `instant`; undefined when there is none. */
  before(instant: number): number | undefined;
}

/** The first tick at or after `instant`. */
export function atOrAfter(ticks: Ticks, instant: number): number | undefined {
  return ticks.after(Math.ceil(instant) - 1);
}

/** The last tick at or before `instant`. */
export function atOrBefore(ticks: Ticks, instant: number): number | undefined {
  return ticks.before(Math.floor(instant) + 1);
}

/** Every tick of every series; an instant that several share counts once. */
export function union(series: readonly Ticks[]): Ticks {
  const [only, second] = series;
  if (only !== undefined && second === undefined) return only;
  return {
    after: (instant) => earliest(series.map((ticks) => ticks.after(instant))),
    before: (instant) => latest(series.map((ticks) => ticks.before(instant))),
  };
}

/** The smallest of the values that are there. */
export function earliest(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce(
    (best, value) => (best === undefined || (value !== undefined && value < best) ? value : best),
    undefined,
  );
}

/** The largest of the values that are there. */
export function latest(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce(
    (best, value) => (best === undefined || (value !== undefined && value > best) ? value : best),
    undefined,
  );
}
