import { createPartition } from '../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import {
  createTopology,
  type EarlierVersion,
  ownerOf,
  type ShardSpec,
  type Topology,
} from '../../src/shared/topology/topology.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { startQuery } from '../support/query-harness.ts';
import { postWrite } from '../support/shard-writes.ts';
import { otlpBytes, post, startTestShard, type TestShard } from '../support/test-shard.ts';
import type { Comment, Corpus } from './corpus.ts';
import { NOW_MS } from './vocabulary.ts';

/** Real shards with a query proxy before them. Data is cut by the partitioner and goes straight to its owners. */
export interface Cluster {
  readonly shardCount: number;
  load(corpus: Corpus): Promise<void>;
  send(signal: Signal, json: Json): Promise<void>;
  /** Text of a GET, and its status. */
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Takes in another shard: new data goes by the new topology, what is stored stays where it is. */
  grow(): Promise<void>;
  stop(): Promise<void>;
}

const hash = await createHash();
const partition = createPartition(createOtlpTypes());
/** Longer than any machine needs: an answer that is late is not a wrong one. */
const TIMEOUT_MS = 60_000;

export async function startCluster(shardCount: number): Promise<Cluster> {
  const shards: TestShard[] = [];
  for (let added = 0; added < shardCount; added++) shards.push(await startTestShard());
  let topology = topologyOf(shards);
  const query = await startQuery([], {
    topology: { current: () => topology, onChange: () => {} },
    timeoutMs: TIMEOUT_MS,
    calls: { firstByteTimeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS },
    limits: { maxRows: 100_000 },
    clock: { now: () => NOW_MS },
  });

  async function send(signal: Signal, json: Json): Promise<void> {
    const owner = (key: Uint8Array) => topology.owners[hash.slot(key)] as number;
    const outcome = partition({ signal, request: otlpBytes(signal, json), shardOf: owner });
    if (outcome.kind !== 'partitioned') throw new Error(`cannot be partitioned: ${outcome.kind}`);
    for (const { shard, bytes } of outcome.slices) {
      const answer = await post((shards[shard] as TestShard).otlpUrl, { signal, body: bytes });
      if (answer.status !== 200) throw new Error(`shard ${shard}: ${answer.status} ${await answer.text()}`);
    }
  }

  async function comment(write: Comment): Promise<void> {
    const owner = ownerOf(topology, hash.slot(Buffer.from(write.traceId, 'hex')));
    const { status, body } = await postWrite(owner.read, 'comment', write);
    if (status !== 200) throw new Error(`comment: ${status} ${JSON.stringify(body)}`);
  }

  async function runnerSpan(span: Json): Promise<void> {
    const { status, text } = await query.get('/api/v1/evals/runner-spans', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(span),
    });
    if (status !== 201) throw new Error(`runner span: ${status} ${text}`);
  }

  return {
    shardCount,
    send,
    async load({ exports, comments, runnerSpans }) {
      for (const { signal, json } of exports) await send(signal, json);
      for (const each of comments) await comment(each);
      for (const each of runnerSpans) await runnerSpan(each);
    },
    get: query.get,
    async grow() {
      const earlier = { version: topology.version, shards: topology.all.map(({ id }) => id) };
      shards.push(await startTestShard());
      topology = topologyOf(shards, [earlier]);
    },
    async stop() {
      await query.stop();
      for (const shard of shards) await shard.remove();
    },
  };
}

function topologyOf(shards: readonly TestShard[], previous: readonly EarlierVersion[] = []): Topology {
  return createTopology({ version: shards.length, shards: shards.map(specOf), previous }, hash);
}

function specOf(shard: TestShard, index: number): ShardSpec {
  return {
    id: `s${index}`,
    kind: 'embedded',
    otlp: shard.otlpUrl,
    read: shard.readUrl,
    weight: 1,
    state: 'active',
  };
}
