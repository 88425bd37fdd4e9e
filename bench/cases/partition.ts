import type protobuf from 'protobufjs';
import { createPartition } from '../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { type Figures, round } from '../figures.ts';
import { protobufRequest } from '../requests.ts';

const RECORDS = 512;
const SHARDS = 3;
const SHARD_COUNTS = [2, 4, 16, 64, 256];

/** CPU of checking and splitting on the wire, against decode + group + encode with protobufjs in the same run. */
export async function benchPartition({ quick }: { quick: boolean }): Promise<Figures> {
  const hash = await createHash();
  const types = createOtlpTypes();
  const partition = createPartition(types);
  const ms = quick ? 250 : 1500;
  const figures: Record<string, number> = {};
  const owner = (shards: number) => (key: Uint8Array) => hash.slot(key) % shards;

  for (const signal of SIGNALS) {
    for (const recordsPerKey of [1, 10, 100]) {
      const request = protobufRequest(types, { signal, records: RECORDS, recordsPerKey, seed: 1 });
      const shardOf = owner(SHARDS);
      const [split = 0, regrouped = 0] = inTurns(ms, [
        () => void partition({ signal, request, shardOf }),
        () => regroup(types.request(signal), { signal, request, shardOf }),
      ]);
      console.log(
        `${signal.padEnd(8)} ${String(recordsPerKey).padStart(3)} a key: check and split ${split.toFixed(0)} ns/record, ` +
          `decode+group+encode ${regrouped.toFixed(0)} ns/record, ${(regrouped / split).toFixed(1)}x`,
      );
      figures[`${signal}_${recordsPerKey}_ns`] = Math.round(split);
      figures[`${signal}_${recordsPerKey}_ratio`] = round(regrouped / split);
    }
  }

  const request = protobufRequest(types, { signal: 'traces', records: RECORDS, recordsPerKey: 1, seed: 1 });
  const costs = inTurns(
    ms,
    SHARD_COUNTS.map(shards => {
      const shardOf = owner(shards);
      return () => void partition({ signal: 'traces', request, shardOf });
    }),
  );
  SHARD_COUNTS.forEach((shards, index) => {
    const cost = costs[index] as number;
    console.log(`${String(shards).padStart(3)} shards: ${cost.toFixed(0)} ns/span`);
    figures[`shards_${shards}_ns`] = Math.round(cost);
  });
  return figures;
}

type Message = Readonly<Record<string, unknown>>;

/** How the same is done without knowledge of the wire: what every gateway on decoded data does. */
function regroup(
  type: protobuf.Type,
  { signal, request, shardOf }: { signal: Signal; request: Buffer; shardOf: (key: Uint8Array) => number },
): void {
  const [groups, scopes, records, keyOf] = REGROUPING[signal];
  const shards: Message[][] = Array.from({ length: SHARDS }, () => []);
  for (const group of type.decode(request)[groups as never] as Message[]) {
    for (const scope of group[scopes] as Message[]) {
      const parts = shards.map((): Message[] => []);
      for (const record of scope[records] as Message[]) parts[shardOf(keyOf(record))]?.push(record);
      parts.forEach((part, index) => {
        if (part.length > 0) shards[index]?.push({ ...group, [scopes]: [{ ...scope, [records]: part }] });
      });
    }
  }
  for (const shard of shards) type.encode({ [groups]: shard }).finish();
}

const traceIdOf = (record: Message) => record.traceId as Uint8Array;
const REGROUPING = {
  traces: ['resourceSpans', 'scopeSpans', 'spans', traceIdOf],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords', traceIdOf],
  metrics: [
    'resourceMetrics',
    'scopeMetrics',
    'metrics',
    (record: Message) => Buffer.from(record.name as string),
  ],
} as const;

/** Least CPU nanoseconds per record of each, taken in turns: what disturbs the machine disturbs all of them. */
function inTurns(ms: number, works: readonly (() => void)[]): number[] {
  const least = works.map(() => Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < 5; turn++) {
    works.forEach((work, index) => {
      least[index] = Math.min(least[index] as number, nanosPerRecord(work, ms / 5));
    });
  }
  return least;
}

/** CPU time, which a noisy machine disturbs less than wall time. */
function nanosPerRecord(work: () => void, ms: number): number {
  const cpuBefore = process.cpuUsage();
  const end = performance.now() + ms;
  let rounds = 0;
  for (; performance.now() < end; rounds++) work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return ((user + system) * 1000) / (rounds * RECORDS);
}
