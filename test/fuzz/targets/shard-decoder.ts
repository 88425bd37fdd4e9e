import assert from 'node:assert/strict';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { atOnce, createDecoder } from '../../../src/shard/decode/decoder.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { SIGNALS } from '../../../src/shared/otlp/signal.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';
import { protobufSeeds } from './otlp-seeds.ts';

/** The decoder of the shard never throws, and takes whatever ingest lets through. */
export async function shardDecoderTargets(): Promise<FuzzTarget[]> {
  const types = createOtlpTypes();
  const decode = atOnce(createDecoder({ types, hash: await createHash(), buffers: NO_POOL }));
  const partition = createPartition(types);
  return SIGNALS.map(signal =>
    plainTarget({
      name: `shard-decoder-${signal}`,
      seeds: protobufSeeds(signal, 10),
      check(input) {
        const decoded = decode(signal, input);
        const outcome = partition({ signal, request: input, shardOf: () => 0 });
        if (outcome.kind === 'partitioned') assert.notEqual(decoded.kind, 'malformed');
      },
    }),
  );
}
