import assert from 'node:assert/strict';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../../src/shared/otlp/signal.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { recordsOf } from '../../support/otlp-records.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';
import { protobufSeeds } from './otlp-seeds.ts';

const SHARDS = 3;

/**
 * The partitioner against protobufjs: what it takes can be decoded, its slices hold the same records under the same
 * envelopes, less those that it says it rejected, and each is on the shard of its key.
 */
export async function partitionTargets(): Promise<FuzzTarget[]> {
  const types = createOtlpTypes();
  const partition = createPartition(types);
  const hash = await createHash();
  const shardOf = (key: Uint8Array) => hash.slot(key) % SHARDS;

  function check(signal: Signal, request: Buffer): void {
    const outcome = partition({ signal, request, shardOf });
    if (outcome.kind !== 'partitioned') return;
    const whole = recordsOf(signal, request);
    const placed = outcome.slices.flatMap(({ bytes, shard }) =>
      recordsOf(signal, bytes).map(record => ({ ...record, shard })),
    );
    for (const { key, shard } of placed) assert.equal(shardOf(Buffer.from(key, 'hex')), shard, 'wrong shard');
    const texts = placed.map(({ text }) => text).sort();
    // Points are what is counted of metrics, so only there a rejection does not say how many records are gone.
    if (outcome.rejected === 0) assert.deepEqual(texts, whole.map(({ text }) => text).sort());
    else
      assert.deepEqual(
        texts.filter(text => !whole.some(record => record.text === text)),
        [],
      );
  }

  return SIGNALS.map(signal =>
    plainTarget({
      name: `partition-${signal}`,
      seeds: protobufSeeds(signal, 10),
      check: input => check(signal, input),
    }),
  );
}
