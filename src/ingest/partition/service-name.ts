import { FIXED64, LENGTH_DELIMITED, VARINT } from '../../shared/otlp/wire-reader.ts';
import type { Ranges } from './ranges.ts';
import type { WireWalk } from './wire-walk.ts';

const EMPTY: Uint8Array = new Uint8Array(0);
const UNKNOWN_SERVICE = Buffer.from('unknown');
const SERVICE_NAME = Buffer.from('service.name');

interface Source {
  readonly request: Buffer;
  readonly walk: Pick<WireWalk, 'reader'>;
}

/** The first `service.name` that has a value: its string, empty for other types; `unknown` without one (contract §2.2). */
export function serviceName(source: Source, group: Readonly<Ranges>): Uint8Array {
  const { reader } = source.walk;
  for (let i = 0; i < group.length; i += 2) {
    const groupEnd = group[i + 1] as number;
    for (let at = group[i] as number; at < groupEnd; ) {
      reader.read(at, groupEnd);
      at = reader.fieldEnd;
      if (reader.field !== 1 || reader.wireType !== LENGTH_DELIMITED) continue;
      const name = serviceNameOfResource(source, reader.valueStart, at);
      if (name !== undefined) return name;
    }
  }
  return UNKNOWN_SERVICE;
}

function serviceNameOfResource(source: Source, start: number, end: number): Uint8Array | undefined {
  const { reader } = source.walk;
  for (let at = start; at < end; ) {
    reader.read(at, end);
    at = reader.fieldEnd;
    if (reader.field !== 1 || reader.wireType !== LENGTH_DELIMITED) continue;
    const name = valueOfServiceName(source, reader.valueStart, at);
    if (name !== undefined) return name;
  }
  return undefined;
}

/**
 * Of the fields of `AnyValue`, by number: string, bool, int, double, array, key-values and bytes
 * (opentelemetry/proto/common/v1/common.proto).
 */
const WIRE_TYPES: readonly (number | undefined)[] = [
  undefined,
  LENGTH_DELIMITED,
  VARINT,
  VARINT,
  FIXED64,
  LENGTH_DELIMITED,
  LENGTH_DELIMITED,
  LENGTH_DELIMITED,
];

/** `KeyValue { string key = 1; AnyValue value = 2; }`, `AnyValue { string string_value = 1; … }`. */
function valueOfServiceName({ request, walk }: Source, start: number, end: number): Uint8Array | undefined {
  const { reader } = walk;
  let isServiceName = false;
  let value: Uint8Array | undefined;
  for (let at = start; at < end; ) {
    reader.read(at, end);
    at = reader.fieldEnd;
    if (reader.wireType !== LENGTH_DELIMITED) continue;
    const { field, valueStart } = reader;
    if (field === 1) isServiceName = SERVICE_NAME.equals(request.subarray(valueStart, at));
    else if (field === 2) value = stringOfAnyValue({ request, walk }, valueStart, at);
  }
  return isServiceName ? value : undefined;
}

function stringOfAnyValue({ request, walk }: Source, start: number, end: number): Uint8Array | undefined {
  const { reader } = walk;
  let value: Uint8Array | undefined;
  for (let at = start; at < end; at = reader.fieldEnd) {
    reader.read(at, end);
    // A decoder passes over a field of another wire type as over one that it does not know.
    if (reader.wireType !== WIRE_TYPES[reader.field]) continue;
    value = reader.field === 1 ? request.subarray(reader.valueStart, reader.fieldEnd) : EMPTY;
  }
  return value;
}
