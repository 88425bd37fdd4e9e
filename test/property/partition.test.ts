import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPartition, type Slice } from '../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { protobufOf, recordsOf } from '../support/otlp-records.ts';
import { otlpRequests } from '../support/otlp-requests.ts';

const types = createOtlpTypes();
const hash = await createHash();
const partition = createPartition(types);

function slicesOf(signal: Signal, request: Buffer, shardCount: number): readonly Slice[] {
  const outcome = partition({ signal, request, shardOf: key => hash.slot(key) % shardCount });
  if (outcome.kind !== 'partitioned') throw new Error(JSON.stringify(outcome));
  expect(outcome.rejected).toBe(0);
  return outcome.slices;
}

const sorted = (records: { text: string }[]) => records.map(({ text }) => text).sort();

describe.each(SIGNALS)('partitioning %s', signal => {
  const arbitrary = otlpRequests[signal];
  const shardCounts = fc.integer({ min: 1, max: 7 });

  it('the union of the slices is the request, record for record with its envelopes', () => {
    fc.assert(
      fc.property(arbitrary, shardCounts, (request, shardCount) => {
        const body = protobufOf(signal, request);
        const parts = slicesOf(signal, body, shardCount).flatMap(slice => recordsOf(signal, slice.bytes));
        expect(sorted(parts)).toEqual(sorted(recordsOf(signal, body)));
      }),
    );
  });

  it('every record is on exactly the shard its key maps to', () => {
    fc.assert(
      fc.property(arbitrary, shardCounts, (request, shardCount) => {
        for (const slice of slicesOf(signal, protobufOf(signal, request), shardCount)) {
          for (const { key } of recordsOf(signal, slice.bytes)) {
            expect(hash.slot(Buffer.from(key, 'hex')) % shardCount).toBe(slice.shard);
          }
        }
      }),
    );
  });

  it('slices of several requests, one after the other, are one valid request', () => {
    fc.assert(
      fc.property(arbitrary, arbitrary, (first, second) => {
        const slices = [first, second].flatMap(request => slicesOf(signal, protobufOf(signal, request), 1));
        const whole = recordsOf(signal, Buffer.concat(slices.map(slice => slice.bytes)));
        expect(whole).toEqual(slices.flatMap(slice => recordsOf(signal, slice.bytes)));
      }),
    );
  });

  it('damaged bytes are malformed or partitioned, and never throw', () => {
    fc.assert(
      fc.property(
        arbitrary,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(),
        (request, at, byte, cut) => {
          const body = protobufOf(signal, request);
          if (body.length > 0) body[at % body.length] = byte;
          const damaged = body.subarray(0, body.length - (cut % (body.length + 1)));
          const outcome = partition({ signal, request: damaged, shardOf: () => 0 });
          expect(['partitioned', 'malformed']).toContain(outcome.kind);
        },
      ),
    );
  });

  it('random bytes are malformed or partitioned, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const outcome = partition({ signal, request: Buffer.from(bytes), shardOf: () => 0 });
        expect(['partitioned', 'malformed']).toContain(outcome.kind);
      }),
    );
  });
});
