import { BIGINT, type DuckDBType, type DuckDBValue, UBIGINT, UHUGEINT, VARCHAR } from '@duckdb/node-api';

const MAX_UBIGINT = 2n ** 64n - 1n;
const MAX_BIGINT = 2n ** 63n - 1n;

/** Collects the values of a statement's parameters; each call returns the placeholder to put into the SQL. */
export interface Parameters {
  text(value: string): string;
  /** Decimal digits, for a column of unsigned 64 bits. What is larger is taken as the largest. */
  unsigned(digits: string): string;
  /** Signed decimal digits, for a column of 64 bits. What does not fit is taken as the nearest that does. */
  signed(digits: string): string;
  /** For a column of trace ids. */
  traceId(id: bigint): string;
  readonly values: DuckDBValue[];
  readonly types: DuckDBType[];
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
    unsigned: digits => add(clamp(BigInt(digits), 0n, MAX_UBIGINT), UBIGINT),
    signed: digits => add(clamp(BigInt(digits), -MAX_BIGINT - 1n, MAX_BIGINT), BIGINT),
    traceId: id => add(id, UHUGEINT),
    values,
    types,
  };
}

/** The number that a trace id is stored as; `undefined` for what is none, and no row has. */
export function traceIdOf(digits: string): bigint | undefined {
  const id = /^[0-9a-f]{32}$/.test(digits) ? BigInt(`0x${digits}`) : 0n;
  return id === 0n ? undefined : id;
}

function clamp(value: bigint, min: bigint, max: bigint): bigint {
  if (value < min) return min;
  return value > max ? max : value;
}

/** All of the conditions that are there. Each is in parentheses: `x and a ->> 'k' = 'v'` would bind wrongly. */
export function allOf(conditions: readonly (string | undefined)[]): string {
  const given = conditions.filter(condition => condition !== undefined);
  return given.length === 0 ? 'true' : given.map(condition => `(${condition})`).join(' AND ');
}

/** A condition on a request member, when the request has it. */
export function when<T>(value: T | undefined, condition: (value: T) => string): string | undefined {
  return value === undefined ? undefined : condition(value);
}

/** The JSON Pointer (RFC 6901) of an object's member; unlike a JSON path it can name every key. */
export function memberPointer(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
