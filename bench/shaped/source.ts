import type { Chance } from './chance.ts';
import type { Instance, Service } from './population.ts';
import { createTimeWriter, type Template, writeDigits, writeSmall } from './template.ts';

/** A record that is yet to be written: where it belongs, and what fills the holes of its template. */
export interface PlannedRecord {
  readonly instance: Instance;
  readonly template: Template;
  readonly fill: (target: Buffer, at: number) => void;
}

/** Gives the records of one signal in the order of their export. */
export interface RecordSource {
  /** So many spans, log records or data points. */
  take(count: number): PlannedRecord[];
}

/** Time of the first record. */
export const BASE_NS = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
const RECORDS_PER_HOUR = 200_000;
/** How far apart the records of a signal are. */
export const STEP_NS = 3600e9 / RECORDS_PER_HOUR;
export const ERROR_SHARE = 0.1;

/** Writes the time so many nanoseconds after the first record's. */
export const writeTime = createTimeWriter(BASE_NS);

/** Traces and series stay with a process of their service. */
export function instanceOf({ instances }: Service, number: number): Instance {
  return instances[number % instances.length] as Instance;
}

/** Users and items: of so many, the first more often than the last. */
const DISTINCT = 200_000;
const SMALLEST = 16_384;
const SMALL_VALUES = 40_000;

/** Draws the attributes that differ from record to record. */
export function varyingAttributes({ holes }: Template, chance: Chance): PlannedRecord['fill'] {
  const digits = holes.digits.map(() => Math.floor(DISTINCT * chance.number() ** 2));
  const smalls = holes.small.map(() => SMALLEST + chance.below(SMALL_VALUES));
  return (target, at) => {
    holes.digits.forEach((hole, index) => {
      writeDigits(target, at + hole, digits[index] as number);
    });
    holes.small.forEach((hole, index) => {
      writeSmall(target, at + hole, smalls[index] as number);
    });
  };
}
