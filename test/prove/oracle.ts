import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { brokenAccounts, toldBrokenAccounts } from '../support/accounts.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import type { Ledger } from './ledger.ts';
import { createReader, type Reader, type ReadRecord } from './reads.ts';
import { idsInMessage } from './records.ts';
import type { Site } from './site.ts';

/** Records, but for duplicates those beyond the first of each. */
export interface Counts {
  readonly acknowledged: number;
  /** Of the acknowledged ones those that were sent more than once. */
  readonly repeated: number;
  /** Refused, rejected in an acknowledged export, or never answered. */
  readonly refused: number;
  /** Of the acknowledged ones those that were read back. */
  readonly delivered: number;
  readonly duplicates: number;
  readonly deadLettered: number;
  /** Acknowledged, and neither read back nor a dead letter. */
  readonly lost: number;
}

export const NO_COUNTS: Counts = {
  acknowledged: 0,
  repeated: 0,
  refused: 0,
  delivered: 0,
  duplicates: 0,
  deadLettered: 0,
  lost: 0,
};

export interface Verdict {
  readonly counts: Counts;
  /** What is wrong, in words. */
  readonly findings: readonly string[];
}

export interface Case {
  readonly site: Site;
  readonly ledger: Ledger;
  /** Topology versions that exports were cut by: a trace may lie on so many shards. */
  readonly versions: number;
}

/** Traces that are read one by one. */
const TRACES_READ = 25;

/**
 * Holds what is stored against what was acknowledged, once nothing is queued any more: nothing is missing, changed,
 * twice or invented, traces are whole, and the accounts agree.
 */
export async function judge({ site, ledger, versions }: Case): Promise<Verdict> {
  const services = [...new Set(ledger.all().map(({ service }) => service))];
  const reader = createReader(site.apis[0] as string);
  const { dead, broken } = await site.lookAtQueue(async queue => ({
    dead: await deadLetteredIds(queue),
    broken: await brokenAccounts(queue),
  }));
  const read = new Map<Signal, ReadRecord[]>();
  for (const signal of SIGNALS) {
    // One after the other: a proxy bounds the queries at once.
    const records: ReadRecord[] = [];
    for (const service of services) records.push(...(await reader.records(signal, service)));
    read.set(signal, records);
  }
  const { counts, findings } = compare([...read.values()].flat(), ledger, dead);
  const spans = read.get('traces') as ReadRecord[];
  const copies = await storedTwice(reader, spans, ledger);
  const told = await Promise.all(
    site.of('ingest').map(({ addresses }) => toldBrokenAccounts(addresses.metrics ?? '')),
  );
  return {
    counts: { ...counts, duplicates: counts.duplicates + copies.count },
    findings: [
      ...findings,
      ...copies.findings,
      ...(await brokenTraces(reader, spans)),
      ...(await splitKeys(reader, site.shardIds(), { services, versions })),
      ...broken,
      ...told.flat(),
    ],
  };
}

/** Holds records that were read against what was sent; `dead` are the ids in dead letters. */
export function compare(
  read: readonly Pick<ReadRecord, 'id' | 'text'>[],
  ledger: Ledger,
  dead: ReadonlySet<string>,
): Verdict {
  const found = Map.groupBy(read, ({ id, text }) => id ?? text);
  const tally = { ...NO_COUNTS };
  const problems = createProblems();
  for (const entry of ledger.all()) {
    const { fate, records, signal, attempts } = entry;
    const isAcknowledged = fate.kind === 'acknowledged';
    const rejected = isAcknowledged ? fate.rejected : records.size;
    tally.acknowledged += records.size - rejected;
    if (attempts > 1) tally.repeated += records.size - rejected;
    tally.refused += rejected;
    let missing = 0;
    for (const [id, expected] of records) {
      const copies = found.get(id) ?? [];
      found.delete(id);
      const label = `${signal} ${id} (${attempts} × sent, ${fate.kind})`;
      for (const { text } of copies)
        if (text !== expected) problems.add('changed', `${label}: ${difference(expected, text)}`);
      if (copies.length === 0 && dead.has(id)) tally.deadLettered += 1;
      else if (copies.length === 0) missing += 1;
      else if (isAcknowledged) tally.delivered += 1;
      if (copies.length > 0 && fate.kind === 'refused') problems.add('stored though refused', label);
      tally.duplicates += Math.max(0, copies.length - 1);
      if (copies.length > 1 && !ledger.mayBeTwice(entry))
        problems.add('stored twice', `${label}: ${copies.length} times`);
    }
    if (isAcknowledged && missing > rejected) {
      tally.lost += missing - rejected;
      problems.add(
        'lost',
        `${missing - rejected} of ${records.size} ${signal} of ${entry.service}, ${[...records.keys()][0]} on`,
      );
    }
  }
  for (const [id, copies] of found) problems.add('invented', `${id}: ${copies[0]?.text.slice(0, 300)}`);
  return { counts: tally, findings: problems.list() };
}

/** A few examples of each kind say enough. */
const EXAMPLES = 3;

function createProblems() {
  const byKind = new Map<string, string[]>();
  return {
    add(kind: string, example: string): void {
      byKind.set(kind, [...(byKind.get(kind) ?? []), example]);
    },
    list: () =>
      [...byKind].map(
        ([kind, examples]) => `${examples.length} × ${kind}: ${examples.slice(0, EXAMPLES).join(' | ')}`,
      ),
  };
}

function difference(expected: string, actual: string): string {
  let at = 0;
  while (expected[at] === actual[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 40), at + 80);
  return `expected …${around(expected)}… but read …${around(actual)}…`;
}

/** Rows show a span once however often it is stored; `services` counts what is stored. */
async function storedTwice(reader: Reader, spans: readonly ReadRecord[], ledger: Ledger) {
  const { services: rows } = await reader.whole('services');
  const stored = new Map((rows as Json[]).map(({ name, span_count }) => [name, span_count as number]));
  const findings: string[] = [];
  let count = 0;
  for (const [service, sent] of Map.groupBy(ledger.all(), entry => entry.service)) {
    const distinct = spans.filter(({ row }) => row.service === service).length;
    const copies = (stored.get(service) ?? 0) - distinct;
    const mayHaveCopies = sent.some(ledger.mayBeTwice);
    if (copies < 0 || (copies > 0 && !mayHaveCopies)) {
      findings.push(`${distinct} spans of ${service} were read, but ${distinct + copies} are stored`);
    }
    count += copies;
  }
  return { count, findings };
}

async function brokenTraces(reader: Reader, spans: readonly ReadRecord[]): Promise<string[]> {
  const traces = [...Map.groupBy(spans, ({ row }) => row.trace_id as string)].toSorted(
    (a, b) => b[1].length - a[1].length,
  );
  const broken: string[] = [];
  for (const [traceId, expected] of traces.slice(0, TRACES_READ)) {
    const { spans: rows } = await reader.whole(`traces/${traceId}`);
    const ids = (list: readonly Json[]) =>
      list
        .map(({ span_id }) => span_id as string)
        .toSorted()
        .join();
    const wanted = ids(expected.map(({ row }) => row));
    if (ids(rows as Json[]) !== wanted)
      broken.push(`trace ${traceId} has other spans read by itself than in the list`);
  }
  return broken;
}

/** What decides on the shard of a record, by signal, in the SQL views of a shard. */
const KEYS: Readonly<Record<Signal, { readonly view: string; readonly key: string }>> = {
  traces: { view: 'spans', key: 'trace_id' },
  logs: { view: 'logs', key: 'coalesce(trace_id, service)' },
  metrics: { view: 'metrics', key: 'name' },
};

/** A key has one owner per version of the topology, so all its records are on as many shards at most. */
async function splitKeys(
  reader: Reader,
  shardIds: readonly string[],
  { services, versions }: { readonly services: readonly string[]; readonly versions: number },
): Promise<string[]> {
  const ours = services.map(service => `'${service}'`).join(', ');
  const findings: string[] = [];
  for (const signal of SIGNALS) {
    const { view, key } = KEYS[signal];
    const shardsOf = new Map<string, string[]>();
    for (const shard of shardIds) {
      const query = `SELECT DISTINCT ${key} AS key FROM ${view} WHERE service IN (${ours})`;
      const { rows, truncated } = await reader.whole(`sql?shard=${shard}&q=${encodeURIComponent(query)}`);
      if (truncated === true) throw new Error(`too many keys of ${signal} to look at`);
      for (const row of rows as { key: string }[])
        shardsOf.set(row.key, [...(shardsOf.get(row.key) ?? []), shard]);
    }
    const split = [...shardsOf].filter(([, shards]) => shards.length > versions);
    const [example] = split;
    if (example !== undefined)
      findings.push(`${split.length} keys of ${signal} are split: ${example[0]} on ${example[1].join(', ')}`);
  }
  return findings;
}

const types = createOtlpTypes();
const DEAD_PAGE = 1000;

async function deadLetteredIds(queue: BatchQueue): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const shard of await queue.shards()) {
    for (const { id } of await queue.deadLetters(shard, { limit: DEAD_PAGE })) {
      const batch = await queue.deadLetterBatch({ shard, id });
      if (batch === undefined || typeof batch === 'string') continue;
      const type = types.request(batch.signal);
      const message = JSON.stringify(
        type.toObject(type.decode(batch.payload), { bytes: String, longs: String }),
      );
      for (const recordId of idsInMessage(message)) ids.add(recordId);
    }
  }
  return ids;
}
