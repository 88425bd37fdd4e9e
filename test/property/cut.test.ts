import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halve, separate } from '../../src/ingest/delivery/parts.ts';
import { forEachRecord, selectRecords } from '../../src/ingest/partition/cut.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { MalformedProtobufError } from '../../src/shared/otlp/wire-reader.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { protobufOf, RECORD_LISTS } from '../support/otlp-records.ts';
import { otlpRequests } from '../support/otlp-requests.ts';

const types = createOtlpTypes();

const DATA = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'];

type Json = Record<string, unknown>;

/** Every record with all that is around it, in body order; a metric without points as it is. */
function recordsOf(signal: Signal, bytes: Buffer): string[] {
  const [groupName, scopeName, recordName] = RECORD_LISTS[signal];
  const type = types.request(signal);
  const request = type.toObject(type.decode(bytes), { longs: String, bytes: String, json: true });
  const list = (parent: Json, name: string) => (parent[name] ?? []) as Json[];
  return list(request, groupName).flatMap(group =>
    list(group, scopeName).flatMap(scope =>
      list(scope, recordName)
        .flatMap(record => (signal === 'metrics' ? pointsOf(record) : [record]))
        .map(record =>
          JSON.stringify([group.resource, group.schemaUrl, scope.scope, scope.schemaUrl, record]),
        ),
    ),
  );
}

function pointsOf(metric: Json): Json[] {
  const name = DATA.find(data => metric[data] !== undefined);
  const { dataPoints = [], ...rest } = (name === undefined ? {} : metric[name]) as { dataPoints?: Json[] };
  if (name === undefined || dataPoints.length === 0) return [metric];
  return dataPoints.map(point => ({ ...metric, [name]: { ...rest, dataPoints: [point] } }));
}

function countOf(signal: Signal, bytes: Buffer): number {
  let count = 0;
  forEachRecord(signal, bytes, () => {
    count += 1;
  });
  return count;
}

/** A batch of one slice for each request. */
function batchOf(signal: Signal, requests: readonly Buffer[]): Batch {
  return newBatch('s0', {
    id: 'b',
    signal,
    payload: Buffer.concat(requests),
    slices: requests.map((bytes, index) => ({
      exportId: String(index).padStart(32, '0'),
      sizeBytes: bytes.length,
    })),
  });
}

/** All the single records that halving again and again ends with, in order. */
function leavesOf(batch: Batch): Batch[] {
  const halves = halve(batch);
  return halves === undefined ? [batch] : halves.flatMap(leavesOf);
}

describe.each(SIGNALS)('cutting %s', signal => {
  const request = otlpRequests[signal].map(json => protobufOf(signal, json));
  /** As the partitioner makes them: no slice is without records. */
  const requests = fc.array(
    request.filter(bytes => countOf(signal, bytes) > 0),
    { minLength: 1, maxLength: 4 },
  );

  it('numbers the records that a decoder finds', () => {
    fc.assert(
      fc.property(request, bytes => {
        expect(countOf(signal, bytes)).toBe(recordsOf(signal, bytes).length);
      }),
    );
  });

  it('a selection holds the chosen records with their envelopes, and no other', () => {
    fc.assert(
      fc.property(request, fc.infiniteStream(fc.boolean()), (bytes, choices) => {
        const all = recordsOf(signal, bytes);
        const chosen = all.map(() => choices.next().value as boolean);
        const selected = selectRecords(signal, bytes, index => chosen[index] as boolean);
        expect(recordsOf(signal, selected)).toEqual(all.filter((_, index) => chosen[index]));
      }),
    );
  });

  it('the halves of a batch are the whole, record for record, and so are the halves of halves', () => {
    fc.assert(
      fc.property(requests, slices => {
        const batch = batchOf(signal, slices);
        const leaves = leavesOf(batch);
        expect(leaves.flatMap(leaf => recordsOf(signal, leaf.payload))).toEqual(
          recordsOf(signal, batch.payload),
        );
        for (const leaf of leaves) expect(recordsOf(signal, leaf.payload).length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('halves add up: bytes of the slices, numbers of the records, and ids that no other part has', () => {
    fc.assert(
      fc.property(requests, slices => {
        const seen = new Set<string>();
        const check = (part: Batch): void => {
          expect(part.slices.reduce((sum, slice) => sum + slice.sizeBytes, 0)).toBe(part.payload.length);
          expect(part.id).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
          expect(seen.has(part.id)).toBe(false);
          seen.add(part.id);
          const halves = halve(part);
          if (halves === undefined) return;
          let records = 0;
          for (const half of halves) {
            check(half);
            forEachRecord(signal, half.payload, record => {
              records += record.count;
            });
          }
          expect(halves[0].records + halves[1].records).toBe(records);
        };
        check(batchOf(signal, slices));
      }),
    );
  });

  it('parts of a slice have the same export ids in whatever batch it comes', () => {
    fc.assert(
      fc.property(requests, requests, (before, slices) => {
        const [slice] = slices as [Buffer];
        const alone = newBatch('s0', {
          signal,
          payload: slice,
          slices: [{ exportId: 'e'.repeat(32), sizeBytes: slice.length }],
        });
        const other = batchOf(signal, before);
        const together: Batch = {
          ...other,
          payload: Buffer.concat([other.payload, slice]),
          slices: [...other.slices, ...alone.slices],
        };
        const exportIds = leavesOf(alone).flatMap(leaf => leaf.slices.map(({ exportId }) => exportId));
        expect(
          leavesOf(together)
            .flatMap(leaf => leaf.slices.map(({ exportId }) => exportId))
            .slice(-exportIds.length),
        ).toEqual(exportIds);
        expect(new Set(exportIds).size).toBe(exportIds.length);
      }),
    );
  });

  it('separating takes out exactly the named records', () => {
    fc.assert(
      fc.property(requests, fc.infiniteStream(fc.boolean()), (slices, choices) => {
        const batch = batchOf(signal, slices);
        const all = recordsOf(signal, batch.payload);
        const isBad = all.map((_, index) => index === 0 || (choices.next().value as boolean));
        const bad = new Set([...all.keys()].filter(index => isBad[index]));
        const separated = separate(batch, bad);
        if (separated === undefined) throw new Error('not separated');
        expect(recordsOf(signal, separated.bad.payload)).toEqual(all.filter((_, index) => isBad[index]));
        expect(separated.good === undefined ? [] : recordsOf(signal, separated.good.payload)).toEqual(
          all.filter((_, index) => !isBad[index]),
        );
      }),
    );
  });

  it('damaged bytes are cut or not, and nothing else is thrown', () => {
    fc.assert(
      fc.property(
        request,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(),
        (bytes, at, byte, cutBytes) => {
          if (bytes.length > 0) bytes[at % bytes.length] = byte;
          const damaged = bytes.subarray(0, bytes.length - (cutBytes % (bytes.length + 1)));
          halve(batchOf(signal, [damaged]));
          separate(batchOf(signal, [damaged]), new Set([0]));
          try {
            selectRecords(signal, damaged, () => true);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedProtobufError);
          }
        },
      ),
    );
  });
});

describe('a part of a part', () => {
  it('counts its records from the beginning of the first whole', () => {
    const spans = Array.from({ length: 8 }, (_, index) => ({
      traceId: '01'.repeat(16),
      spanId: '02'.repeat(8),
      name: `span ${index}`,
    }));
    const payload = protobufOf('traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] });
    const batch = batchOf('traces', [payload]);
    expect(leavesOf(batch).map(leaf => leaf.id)).toEqual(
      Array.from({ length: 8 }, (_, index) => `b.${index}-${index}`),
    );
    const [, right] = halve(batch) as [Batch, Batch];
    expect(right).toMatchObject({ id: 'b.4-7', records: 4 });
    expect((halve(right) as [Batch, Batch]).map(part => part.id)).toEqual(['b.4-5', 'b.6-7']);
  });

  it('keeps fields that nobody knows', () => {
    const unknown = Buffer.from([0x9a, 0x06, 0x01, 0x2a]); // field 99, one byte "*"
    const message = (tag: number, ...contents: Buffer[]) => {
      const content = Buffer.concat(contents);
      return Buffer.concat([Buffer.from([tag, content.length]), content]);
    };
    const span = (name: string) => message(0x12, message(0x2a, Buffer.from(name)), unknown);
    const payload = Buffer.concat([
      message(0x0a, unknown, message(0x12, span('a'), unknown, span('b'))),
      unknown,
    ]);
    expect(halve(batchOf('traces', [payload]))?.map(part => part.payload)).toEqual(
      [span('a'), span('b')].map((only, index) =>
        Buffer.concat([
          message(0x0a, unknown, message(0x12, ...(index === 0 ? [only, unknown] : [unknown, only]))),
          unknown,
        ]),
      ),
    );
  });
});
