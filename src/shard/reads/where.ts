import {
  BIGINT,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  listValue,
  UBIGINT,
  UHUGEINT,
  VARCHAR,
} from '@duckdb/node-api';

const LIMITS = {
  unsigned: { min: 0n, max: 2n ** 64n - 1n },
  signed: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
} as const;

/** So many stand in the SQL text: without parameters a statement takes one trip to DuckDB, and less planning. */
const FEW_NUMBERS = 200;

/** Collects the values of a statement's parameters; each call returns the placeholder to put into the SQL. */
export interface Parameters {
  text(value: string): string;
  /** To come after `IN`. */
  texts(values: readonly string[]): string;
  /** Lists of texts, to come after `IN`. */
  textLists(values: readonly (readonly string[])[]): string;
  /** Decimal digits, for a column of unsigned 64 bits. What is larger is taken as the largest. */
  unsigned(digits: string): string;
  /** Signed decimal digits, for a column of 64 bits. What does not fit is taken as the nearest that does. */
  signed(digits: string): string;
  /** For a column of trace ids. */
  traceId(id: bigint): string;
  /** To come after `IN`, for a column of unsigned 128 bits: trace ids, and the keys of blobs. */
  hugeNumbers(numbers: readonly bigint[]): string;
  /** To come after `IN`, for a column of unsigned 64 bits. */
  unsignedNumbers(numbers: readonly bigint[]): string;
  readonly values: DuckDBValue[];
  readonly types: DuckDBType[];
}

/** Hex digits of a sort key as the number that is stored; none are 0. */
export function hexLiteral(digits: string, type: 'UBIGINT' | 'UHUGEINT'): string {
  return `${digits === '' ? 0n : BigInt(`0x${digits}`)}::${type}`;
}

export function createParameters(): Parameters {
  const values: DuckDBValue[] = [];
  const types: DuckDBType[] = [];
  const add = (value: DuckDBValue, type: DuckDBType) => {
    types.push(type);
    return `$${values.push(value)}`;
  };
  return {
    text: value => add(value, VARCHAR),
    texts: values => `(SELECT unnest(${add(listValue(values), LIST(VARCHAR))}))`,
    textLists: values =>
      `(SELECT unnest(${add(listValue(values.map(value => listValue(value))), LIST(LIST(VARCHAR)))}))`,
    unsigned: digits => add(clamp(BigInt(digits), LIMITS.unsigned), UBIGINT),
    signed: digits => add(clamp(BigInt(digits), LIMITS.signed), BIGINT),
    traceId: id => add(id, UHUGEINT),
    hugeNumbers: numbers => `(SELECT unnest(${add(listValue(numbers), LIST(UHUGEINT))}))`,
    unsignedNumbers: numbers =>
      numbers.length > 0 && numbers.length <= FEW_NUMBERS
        ? `(${numbers.map(number => `${number}::UBIGINT`).join(', ')})`
        : `(SELECT unnest(${add(listValue(numbers), LIST(UBIGINT))}))`,
    values,
    types,
  };
}

/** The number that a trace id is stored as; `undefined` for what is none, and no row has. */
export function traceIdOf(digits: string): bigint | undefined {
  const id = /^[0-9a-f]{32}$/.test(digits) ? BigInt(`0x${digits}`) : 0n;
  return id === 0n ? undefined : id;
}

function clamp(value: bigint, { min, max }: { readonly min: bigint; readonly max: bigint }): bigint {
  if (value < min) return min;
  return value > max ? max : value;
}

/** All of the conditions that are there. Each is in parentheses: `x and a ->> 'k' = 'v'` would bind wrongly. */
export function allOf(conditions: readonly (string | undefined)[]): string {
  const given = conditions.filter(condition => condition !== undefined);
  return given.length === 0 ? 'true' : given.map(condition => `(${condition})`).join(' AND ');
}

interface Bounds {
  readonly atLeast?: string | undefined;
  readonly atMost?: string | undefined;
}

/** Closed bounds of an integer column, in decimal digits. They may lie beyond what the column can hold. */
export function within(
  column: string,
  kind: 'unsigned' | 'signed',
  { atLeast, atMost }: Bounds,
  parameters: Parameters,
): string {
  const { min, max } = LIMITS[kind];
  return allOf([
    when(atLeast, least => (BigInt(least) > max ? 'false' : `${column} >= ${parameters[kind](least)}`)),
    when(atMost, most => (BigInt(most) < min ? 'false' : `${column} <= ${parameters[kind](most)}`)),
  ]);
}

export interface TimeWindow {
  readonly fromNs?: string | undefined;
  readonly toNs?: string | undefined;
}

export function isOverEverything({ fromNs, toNs }: TimeWindow): boolean {
  return fromNs === undefined && toNs === undefined;
}

export function timeWindow(column: string, window: TimeWindow, parameters: Parameters): string {
  return within(column, 'unsigned', { atLeast: window.fromNs, atMost: window.toNs }, parameters);
}

/**
 * Rows from a sort key on, those with that very key included. What is said of the first column follows from the rest;
 * it lets DuckDB skip whole row groups.
 */
export function fromKey(
  columns: readonly [string, ...string[]],
  comparison: '<=' | '>=',
  key: readonly [string, ...string[]],
): string {
  return `${columns[0]} ${comparison} ${key[0]} AND (${columns.join(', ')}) ${comparison} (${key.join(', ')})`;
}

/** A condition on a request member, when the request has it. */
export function when<T>(value: T | undefined, condition: (value: T) => string): string | undefined {
  return value === undefined ? undefined : condition(value);
}
