import type { Config } from './schema.ts';

/** Settings that are legal and that somebody may regret: what is set and what follows from it. */
export function configWarnings(config: Config): string[] {
  const { ingest, query, shard, delivery, queue, topology } = config;
  const warnings: string[] = [];
  const open = Object.entries({
    'ingest.http': ingest.http,
    'ingest.grpc': ingest.grpc,
    'query.http': query.http,
    'shard.otlp': shard.otlp,
    'shard.read': shard.read,
  }).filter(([, { host }]) => host === '0.0.0.0' || host === '::');
  if (open.length > 0) {
    const names = open.map(([name]) => `${name}.host`).join(', ');
    warnings.push(`${names}: every network of this machine can connect, and nothing asks who it is`);
  }
  if (shard.batchMemory < delivery.horizon) {
    warnings.push(
      'shard.batchMemory is shorter than delivery.horizon: a batch delivered again after that time is stored twice',
    );
  }
  if (shard.repeatWindow === 0) {
    warnings.push("shard.repeatWindow is 0: a sender's repeat after a timeout is stored twice");
  }
  if (queue.batchBytes > ingest.maxRequestBytes) {
    warnings.push(
      'queue.batchBytes is above ingest.maxRequestBytes: a shard with the same limit refuses the larger batches',
    );
  }
  if (query.readyQuorum > (topology?.shards.length ?? Number.POSITIVE_INFINITY)) {
    warnings.push('query.readyQuorum is above the number of shards: /readyz will never be 200');
  }
  for (const { id, kind } of topology?.shards ?? []) {
    if (kind === 'tael')
      warnings.push(`shard ${id} is of kind tael, which this version can neither deliver to nor read`);
  }
  return warnings;
}
