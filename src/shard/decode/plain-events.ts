import { WireReader } from '../../shared/otlp/wire-reader.ts';
import { formatNanos } from '../../shared/time.ts';
import type { JsonBytes } from './json-bytes.ts';
import { PlainAttributes } from './plain-attributes.ts';

/** Tags of `Span.Event`: field number times eight, plus the wire type. */
const TIME = 0x09;
const NAME = 0x12;
const ATTRIBUTE = 0x1a;

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const CLOSE = 0x7d;

/**
 * Turns events that the column of events tells all of into what `eventsColumn` makes of them. Others are not taken:
 * their attributes have values other than strings, say.
 */
export class PlainEvents {
  readonly #json: JsonBytes;
  readonly #attributes: PlainAttributes;

  constructor(json: JsonBytes) {
    this.#json = json;
    this.#attributes = new PlainAttributes(json);
  }

  /** Writes the events, given as start and end of each; false when one is not plain and all are to be decoded. */
  write(request: Buffer, ranges: readonly number[]): boolean {
    const json = this.#json;
    const reader = new WireReader(request);
    json.byte(OPEN_LIST);
    for (let index = 0; index < ranges.length; index += 2) {
      if (index > 0) json.byte(COMMA);
      if (!this.#writeEvent(request, reader, ranges[index] as number, ranges[index + 1] as number))
        return false;
    }
    json.byte(CLOSE_LIST);
    return true;
  }

  #writeEvent(request: Buffer, reader: WireReader, start: number, end: number): boolean {
    const json = this.#json;
    const attributes = this.#attributes;
    let timeNs = 0n;
    let nameStart = end;
    let nameEnd = end;
    let attributesStart = end;
    // As nearly all encoders write them: time and name, then attributes and nothing else.
    for (let at = start; at < end && attributesStart === end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case TIME:
          timeNs = request.readBigUInt64LE(valueStart);
          break;
        case NAME:
          if (nameStart !== end) return false;
          nameStart = valueStart;
          nameEnd = fieldEnd;
          break;
        case ATTRIBUTE:
          attributesStart = at;
          break;
        default:
          return false;
      }
    }
    json.ascii('{"name":');
    json.string(nameStart, nameEnd);
    json.ascii(`,"timestamp":"${formatNanos(timeNs)}","attributes":`);
    attributes.begin();
    for (let at = attributesStart; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      if (reader.field * 8 + reader.wireType !== ATTRIBUTE) return false;
      if (!attributes.addText(request, reader.valueStart, reader.fieldEnd)) return false;
    }
    attributes.finish();
    json.byte(CLOSE);
    return true;
  }
}
