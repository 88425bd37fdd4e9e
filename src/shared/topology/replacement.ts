import { isReadFrom, type ShardSpec, type TopologySpec } from './topology.ts';

/** Whether one topology may take the place of another while requests flow, and what follows from it. */
export type Replacement =
  /** Nothing that matters to a running process differs. */
  | { readonly kind: 'same' }
  | {
      readonly kind: 'accepted';
      /** What an operator may not have meant, one sentence each. */
      readonly warnings: readonly string[];
    }
  /** One sentence for each thing that stands against it. */
  | { readonly kind: 'refused'; readonly reasons: readonly string[] };

/**
 * A version names one map of the slots for ever: exports are recognised by it, and all processes that say the same
 * version must split alike. So whatever moves slots or lanes (ids, kinds, weights, states) needs a higher version;
 * addresses, and which removed shards are still read, are attributes that may change under the same one. The order of
 * the shards means nothing.
 */
export function replacementOf(current: TopologySpec, next: TopologySpec): Replacement {
  const changes = changesOf(current, next);
  if (next.version < current.version) {
    return refused([
      `version ${next.version} is below ${current.version}, which is in force; versions only go up`,
    ]);
  }
  if (next.version > current.version) return { kind: 'accepted', warnings: warningsOf(current, next) };
  if (changes.length > 0) {
    return refused(
      changes.map(
        change =>
          `${change}, but the version is still ${current.version}; a change of the map needs a higher one`,
      ),
    );
  }
  return haveChanged(current, next) ? { kind: 'accepted', warnings: [] } : { kind: 'same' };
}

function refused(reasons: readonly string[]): Replacement {
  return { kind: 'refused', reasons };
}

const PLACEMENT = ['kind', 'weight', 'state'] as const;

/** What differs in the map itself, one clause each: `shard s1: weight is 2 instead of 1`. */
function changesOf(current: TopologySpec, next: TopologySpec): string[] {
  const before = byId(current);
  const after = byId(next);
  return [
    ...next.shards.filter(({ id }) => !before.has(id)).map(({ id }) => `shard ${id} is added`),
    ...current.shards.filter(({ id }) => !after.has(id)).map(({ id }) => `shard ${id} is left out`),
    ...next.shards.flatMap(shard => {
      const old = before.get(shard.id);
      if (old === undefined) return [];
      return PLACEMENT.filter(member => shard[member] !== old[member]).map(
        member => `shard ${shard.id}: ${member} is ${shard[member]} instead of ${old[member]}`,
      );
    }),
  ];
}

function haveChanged(current: TopologySpec, next: TopologySpec): boolean {
  const before = byId(current);
  return next.shards.some(shard => {
    const old = before.get(shard.id);
    if (shard.otlp !== old?.otlp || shard.read !== old.read) return true;
    return isReadFrom(shard, next.previous) !== isReadFrom(old, current.previous);
  });
}

function warningsOf(current: TopologySpec, next: TopologySpec): string[] {
  const after = byId(next);
  return current.shards.flatMap(shard => {
    const { id } = shard;
    const now = after.get(id);
    const wasRead = isReadFrom(shard, current.previous);
    if (now === undefined) {
      const unread = !wasRead ? '' : 'what it stores is not read any more; ';
      return [
        `shard ${id} left the map: ${unread}what is still queued for it is held until it comes back or is re-routed`,
      ];
    }
    return shard.state === 'active' && !isReadFrom(now, next.previous)
      ? [
          `shard ${id} goes from active to removed: what it stores is not read any more; draining keeps it readable`,
        ]
      : [];
  });
}

function byId({ shards }: TopologySpec): ReadonlyMap<string, ShardSpec> {
  return new Map(shards.map(shard => [shard.id, shard]));
}
