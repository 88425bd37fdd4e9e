import { addRange, type Ranges, rangesSize } from './ranges.ts';

/*
 * What one shard receives of a request: the same envelopes, each with only the records it owns. All three signals
 * have the same shape on the wire:
 *
 *   Export*ServiceRequest { repeated Resource* = 1 }
 *   Resource*             { resource = 1, repeated Scope* = 2, schema_url = 3 }
 *   Scope*                { scope = 1, repeated record = 2, schema_url = 3 }
 *
 * An envelope is every field but the repeated one, unknown fields included, as ranges of the request.
 */
const GROUP_TAG = 0x0a; // field 1, length-delimited
const SCOPE_TAG = 0x12; // field 2, length-delimited

interface ScopePart {
  readonly envelope: Readonly<Ranges>;
  readonly records: Ranges;
}

interface GroupPart {
  readonly envelope: Readonly<Ranges>;
  readonly scopes: ScopePart[];
}

/** Collects one shard's records in request order, then writes them as one valid request. */
export class SliceBuilder {
  records = 0;
  readonly #groups: GroupPart[] = [];

  /** `group` and `scope` are the envelopes around the record; consecutive records share them by identity. */
  add(
    group: Readonly<Ranges>,
    scope: Readonly<Ranges>,
    record: { start: number; end: number; count: number },
  ): void {
    let groupPart = this.#groups.at(-1);
    if (groupPart?.envelope !== group) {
      groupPart = { envelope: group, scopes: [] };
      this.#groups.push(groupPart);
    }
    let scopePart = groupPart.scopes.at(-1);
    if (scopePart?.envelope !== scope) {
      scopePart = { envelope: scope, records: [] };
      groupPart.scopes.push(scopePart);
    }
    addRange(scopePart.records, record.start, record.end);
    this.records += record.count;
  }

  /** @param extras ranges of the request outside any group, kept in every slice */
  build(request: Buffer, extras: Readonly<Ranges>): Buffer {
    const sized = this.#groups.map(group => {
      const scopes = group.scopes.map(scope => ({
        ...scope,
        sizeBytes: rangesSize(scope.envelope) + rangesSize(scope.records),
      }));
      const inner = scopes.reduce((sum, scope) => sum + fieldSize(scope.sizeBytes), 0);
      return { envelope: group.envelope, scopes, sizeBytes: rangesSize(group.envelope) + inner };
    });
    const totalBytes = sized.reduce((sum, group) => sum + fieldSize(group.sizeBytes), rangesSize(extras));
    const out = new RangeWriter(request, totalBytes);
    out.copy(extras);
    for (const group of sized) {
      out.header(GROUP_TAG, group.sizeBytes);
      out.copy(group.envelope);
      for (const scope of group.scopes) {
        out.header(SCOPE_TAG, scope.sizeBytes);
        out.copy(scope.envelope);
        out.copy(scope.records);
      }
    }
    return out.bytes;
  }
}

function fieldSize(contentBytes: number): number {
  let lengthBytes = 1;
  for (let rest = contentBytes; rest >= 0x80; rest = Math.floor(rest / 0x80)) lengthBytes++;
  return 1 + lengthBytes + contentBytes;
}

class RangeWriter {
  readonly bytes: Buffer;
  readonly #source: Buffer;
  #at = 0;

  constructor(source: Buffer, sizeBytes: number) {
    this.#source = source;
    this.bytes = Buffer.allocUnsafe(sizeBytes);
  }

  header(tag: number, contentBytes: number): void {
    this.bytes[this.#at++] = tag;
    let rest = contentBytes;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.#at++] = (rest % 0x80) | 0x80;
    this.bytes[this.#at++] = rest;
  }

  copy(ranges: Readonly<Ranges>): void {
    for (let i = 0; i < ranges.length; i += 2) {
      this.#at += this.#source.copy(this.bytes, this.#at, ranges[i], ranges[i + 1]);
    }
  }
}
