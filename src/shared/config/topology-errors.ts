import type { TopologyConfig } from './schema.ts';

/** What a schema cannot say of a topology: how its parts relate. One line for each thing that is wrong. */
export function topologyErrors({ version, shards, previous }: TopologyConfig): string[] {
  const errors: string[] = [];
  const ids = shards.map(shard => shard.id);
  for (const id of repeated(ids)) errors.push(`topology.shards: the id "${id}" is used more than once`);
  for (const member of ['otlp', 'read'] as const) {
    for (const address of repeated(shards.map(shard => new URL(shard[member]).href))) {
      errors.push(`topology.shards: the ${member} address ${address} is used by more than one shard`);
    }
  }
  if (!shards.some(shard => shard.state === 'active')) {
    errors.push('topology.shards: none is active; at least one must receive data');
  }
  for (const { id, kind, otlp } of shards) {
    if (kind === 'embedded' && otlp.startsWith('grpc:')) {
      errors.push(`topology.shards: ${id} has the OTLP address ${otlp}; embedded shards take OTLP over http`);
    }
    if (kind === 'tael' && !/^grpc:\/\/[^/]+:\d+\/?$/.test(otlp)) {
      errors.push(
        `topology.shards: ${id} has the OTLP address ${otlp}; shards of kind tael are fed at grpc://HOST:PORT`,
      );
    }
  }
  for (const repeat of repeated(previous.map(earlier => earlier.version))) {
    errors.push(`topology.previous: version ${repeat} is listed more than once`);
  }
  for (const earlier of previous) {
    if (earlier.version >= version) {
      errors.push(
        `topology.previous: version ${earlier.version} is not before the present version ${version}`,
      );
    }
    for (const id of earlier.shards.filter(shard => !ids.includes(shard))) {
      errors.push(
        `topology.previous: version ${earlier.version} names shard "${id}", which topology.shards does not list`,
      );
    }
  }
  return errors;
}

function repeated<T>(values: readonly T[]): T[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
