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
  /** Of the content, once measured. */
  sizeBytes: number;
}

interface GroupPart {
  readonly envelope: Readonly<Ranges>;
  readonly scopes: ScopePart[];
  /** Of the content, once measured. */
  sizeBytes: number;
}

/** Collects one shard's records in request order, then writes them as one valid request. */
export class SliceBuilder {
  records = 0;
  readonly #groups: GroupPart[] = [];
  #scope: ScopePart | undefined;

  /** `group` and `scope` are the envelopes around the record; consecutive records share them by identity. */
  add(group: Readonly<Ranges>, scope: Readonly<Ranges>, start: number, end: number, count: number): void {
    let scopePart = this.#scope;
    if (scopePart?.envelope !== scope) {
      scopePart = { envelope: scope, records: [], sizeBytes: 0 };
      this.#scope = scopePart;
      this.#groupPart(group).scopes.push(scopePart);
    }
    addRange(scopePart.records, start, end);
    this.records += count;
  }

  #groupPart(group: Readonly<Ranges>): GroupPart {
    let groupPart = this.#groups.at(-1);
    if (groupPart?.envelope !== group) {
      groupPart = { envelope: group, scopes: [], sizeBytes: 0 };
      this.#groups.push(groupPart);
    }
    return groupPart;
  }

  /** Size of the slice without what is outside any group. To be called once all envelopes are complete. */
  measure(): number {
    let sizeBytes = 0;
    for (const group of this.#groups) {
      group.sizeBytes = rangesSize(group.envelope);
      for (const scope of group.scopes) {
        scope.sizeBytes = rangesSize(scope.envelope) + rangesSize(scope.records);
        group.sizeBytes += fieldSize(scope.sizeBytes);
      }
      sizeBytes += fieldSize(group.sizeBytes);
    }
    return sizeBytes;
  }

  /** Writes what was measured. */
  write(writer: RangeWriter): void {
    for (const group of this.#groups) {
      writer.header(GROUP_TAG, group.sizeBytes);
      writer.copy(group.envelope);
      for (const scope of group.scopes) {
        writer.header(SCOPE_TAG, scope.sizeBytes);
        writer.copy(scope.envelope);
        writer.copy(scope.records);
      }
    }
  }
}

function fieldSize(contentBytes: number): number {
  let lengthBytes = 1;
  for (let rest = contentBytes; rest >= 0x80; rest = Math.floor(rest / 0x80)) lengthBytes++;
  return 1 + lengthBytes + contentBytes;
}

/** Writes ranges of one request one after the other into a buffer that has room for them. */
export class RangeWriter {
  readonly bytes: Buffer;
  at = 0;
  readonly #source: Buffer;

  constructor(source: Buffer, target: Buffer) {
    this.#source = source;
    this.bytes = target;
  }

  header(tag: number, contentBytes: number): void {
    this.bytes[this.at++] = tag;
    let rest = contentBytes;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.at++] = (rest % 0x80) | 0x80;
    this.bytes[this.at++] = rest;
  }

  copy(ranges: Readonly<Ranges>): void {
    for (let i = 0; i < ranges.length; i += 2) {
      this.at += this.#source.copy(this.bytes, this.at, ranges[i], ranges[i + 1]);
    }
  }
}
