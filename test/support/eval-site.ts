import { createPartition } from '../../src/ingest/partition/partition.ts';
import type { ShardOptions } from '../../src/shard/create-shard.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import {
  createTopology,
  ownerOf,
  type ShardSpec,
  type Topology,
} from '../../src/shared/topology/topology.ts';
import type { Json } from './otlp-arbitraries.ts';
import { type QueryHarness, startQuery } from './query-harness.ts';
import { shardSpec } from './stub-shard.ts';
import { otlpBytes, post, startTestShard, type TestShard } from './test-shard.ts';

const hash = await createHash();
const partition = createPartition(createOtlpTypes());

/** Real shards behind a query proxy, which ingest has cut the data over. */
export interface EvalSite {
  readonly shards: readonly TestShard[];
  readonly query: QueryHarness;
  topology(): Topology;
  /** The shard that owns a key, by its index. */
  ownerOf(key: Uint8Array): number;
  /** Stores OTLP as ingest would: every record on its owner. */
  send(signal: Signal, request: Json): Promise<void>;
  post(
    path: string,
    body: string | Uint8Array<ArrayBuffer> | object,
    headers?: Record<string, string>,
  ): ReturnType<QueryHarness['get']>;
  /** Takes a shard down for good; its address stays in the topology. */
  down(index: number): Promise<void>;
  stop(): Promise<void>;
}

interface SiteOptions {
  readonly query?: Parameters<typeof startQuery>[1];
  readonly shard?: Partial<ShardOptions>;
  /** Instead of a shard's own address. */
  readonly specOf?: (spec: ShardSpec) => ShardSpec;
}

export async function startEvalSite(
  count: number,
  { query: options = {}, shard = {}, specOf = spec => spec }: SiteOptions = {},
): Promise<EvalSite> {
  const shards = await Promise.all(Array.from({ length: count }, () => startTestShard(shard)));
  const isDown = new Set<number>();
  // Anew each time, for a shard that was restarted has other ports.
  const topology = () =>
    createTopology(
      { version: 1, shards: shards.map((each, index) => specOf(shardSpec(`s${index}`, portOf(each)))) },
      hash,
    );
  const query = await startQuery([], {
    timeoutMs: 20_000,
    topology: { current: topology, onChange: () => {} },
    ...options,
  });
  // Owners follow from the shards' ids alone, which stay.
  const owners = topology();
  const ownerIndex = (key: Uint8Array) => Number(ownerOf(owners, hash.slot(key)).id.slice(1));
  return {
    shards,
    query,
    topology,
    ownerOf: ownerIndex,
    async send(signal, json) {
      const cut = partition({ signal, request: otlpBytes(signal, json), shardOf: ownerIndex });
      if (cut.kind !== 'partitioned') throw new Error(cut.kind);
      for (const { shard, bytes } of cut.slices) {
        const { otlpUrl } = shards[shard] as TestShard;
        const response = await post(otlpUrl, { signal, body: Buffer.from(bytes) });
        if (response.status !== 200) throw new Error(await response.text());
        await response.arrayBuffer();
      }
    },
    post(path, body, headers = { 'content-type': 'application/json' }) {
      return query.get(path, {
        method: 'POST',
        headers,
        body: body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body),
      });
    },
    async down(index) {
      isDown.add(index);
      await shards[index]?.remove();
    },
    async stop() {
      await query.stop();
      await Promise.all(shards.filter((_, index) => !isDown.has(index)).map(each => each.remove()));
    },
  };
}

function portOf(shard: TestShard): number {
  return Number(new URL(shard.readUrl).port);
}
