import { MAX_BLOB_BYTES } from '../read/writes.ts';
import { isReadFrom } from '../topology/topology.ts';
import type { Config } from './schema.ts';

/** Settings that are legal and that somebody may regret: what is set and what follows from it. */
export function configWarnings(config: Config): string[] {
  return [
    ...listenerWarnings(config),
    ...repeatWarnings(config),
    ...sizeWarnings(config),
    ...shardWarnings(config),
  ];
}

function listenerWarnings({ ingest, query, shard }: Config): string[] {
  const listeners = {
    'ingest.http': ingest.http,
    'ingest.grpc': ingest.grpc,
    'ingest.health': ingest.health,
    'ingest.metrics': ingest.metrics,
    'query.http': query.http,
    'shard.otlp': shard.otlp,
    'shard.read': shard.read,
  };
  const open = Object.entries(listeners).filter(([, { host }]) => !isLoopback(host));
  if (open.length === 0) return [];
  const names = open.map(([name, { host }]) => `${name}.host (${host})`).join(', ');
  return [
    `${names}: whoever reaches this address may use it, there is no authentication; keep it inside a trusted network`,
  ];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

function repeatWarnings({ shard, delivery }: Config): string[] {
  const warnings: string[] = [];
  if (shard.batchMemory < delivery.horizon) {
    warnings.push(
      'shard.batchMemory is shorter than delivery.horizon: a batch that is delivered again after that time is stored twice',
    );
  }
  if (shard.repeatWindow === 0) {
    warnings.push('shard.repeatWindow is 0: what a sender repeats after a timeout or a 503 is stored twice');
  }
  if (delivery.retryInitial > delivery.retryMax) {
    warnings.push('delivery.retryInitial is above delivery.retryMax, which every pause is cut to');
  }
  return warnings;
}

function sizeWarnings({ ingest, queue, query, shard }: Config): string[] {
  const warnings: string[] = [];
  if (ingest.maxBytesInFlight < ingest.maxRequestBytes) {
    warnings.push(
      'ingest.maxBytesInFlight is below ingest.maxRequestBytes: requests between the two are answered 503 for ever',
    );
  }
  if (queue.maxShardBytes < ingest.maxRequestBytes) {
    warnings.push(
      'queue.maxShardBytes is below ingest.maxRequestBytes: one large request for one shard fills its queue',
    );
  }
  if (queue.maxBytes <= queue.maxShardBytes) {
    warnings.push(
      'queue.maxBytes is not above queue.maxShardBytes: one shard that is down stops ingest for all of them',
    );
  }
  if (queue.batchBytes > ingest.maxRequestBytes) {
    warnings.push(
      'queue.batchBytes is above ingest.maxRequestBytes: a shard with the same limit refuses the larger batches',
    );
  }
  if (query.maxAnswerBytes < query.maxShardAnswerBytes) {
    warnings.push(
      'query.maxAnswerBytes is below query.maxShardAnswerBytes: one shard with a large answer has the whole read refused',
    );
  }
  if (query.maxHeldBytes < query.maxAnswerBytes) {
    warnings.push(
      'query.maxHeldBytes is below query.maxAnswerBytes: reads whose answers are between the two are answered 503 for ever',
    );
  }
  if (query.writes.maxBytes < MAX_BLOB_BYTES) {
    warnings.push(
      `query.writes.maxBytes is below ${MAX_BLOB_BYTES} bytes: larger blobs are answered 503 for ever`,
    );
  }
  if (shard.sql.memoryLimit >= shard.memoryLimit) {
    warnings.push(
      'shard.sql.memoryLimit is not below shard.memoryLimit: an SQL query may take all the memory that storing needs',
    );
  }
  return warnings;
}

function shardWarnings({ query, topology }: Config): string[] {
  if (topology === undefined) return [];
  const warnings: string[] = [];
  if (query.readyQuorum > topology.shards.filter(shard => isReadFrom(shard, topology.previous)).length) {
    warnings.push(
      'query.readyQuorum is above the number of shards that are read from: /readyz will never be 200',
    );
  }
  if (topology.shards.filter(shard => shard.state === 'active').length === 1) {
    warnings.push(
      'topology has one active shard: while it is down nothing is delivered and little can be read',
    );
  }
  for (const { id, kind } of topology.shards) {
    if (kind !== 'tael') continue;
    warnings.push(
      `shard ${id} is of kind tael: what is delivered or sent to it again may be stored twice, and figures over more than query.taelRowCap (${query.taelRowCap}) of its rows are not exact`,
    );
  }
  return warnings;
}
