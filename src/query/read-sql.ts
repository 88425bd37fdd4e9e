import type { ShardSpec } from '../shared/topology/topology.ts';
import { completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import { shardTimeoutMs } from './deadline.ts';
import { fanOut } from './fan-out.ts';
import { anyText, badValue, parseParams, timeoutMs as timeoutParam } from './params.ts';
import type { Answer, ReadDeps } from './run-read.ts';
import type { ShardClient } from './shard-client.ts';

type SqlDeps = Pick<ReadDeps, 'topology' | 'timeoutMs'> & { readonly client: Pick<ShardClient, 'sql'> };

const PARAMS = { q: anyText, shard: anyText, timeout: timeoutParam };

/**
 * `GET /api/v1/sql?q=&shard=` (contract §1.4, G6): what one shard says to a SELECT. There is no SQL over several: only
 * a topology of one shard needs no `shard`. The shard bounds how many run at once.
 */
export async function readSql(
  { client, topology, timeoutMs }: SqlDeps,
  { search, signal }: { readonly search: URLSearchParams; readonly signal: AbortSignal },
): Promise<Answer> {
  const parsed = parseParams(search, PARAMS);
  if (parsed.kind === 'bad') return refusal(parsed.error);
  const { q, shard: id, timeout = timeoutMs } = parsed.values;
  if (q === undefined || q === '') return refusal('q is missing: expected one SELECT');
  const shard = shardOf(topology().shards, id);
  if (typeof shard === 'string') return refusal(shard);
  const slots = await fanOut({
    shards: [shard],
    call: (asked, callSignal) => client.sql(asked, q, callSignal),
    timeoutMs: shardTimeoutMs(Math.min(timeout, timeoutMs)),
    signal,
    failFast: false,
  });
  const [slot] = slots;
  if (slot?.kind === 'refused') return refusal(slot.reason);
  const shards = completenessOf(slots);
  const isAnswered = slot !== undefined && 'value' in slot;
  const members = isAnswered ? slot.value : errorMember(`no shard answered: ${nameMissing(shards)}`);
  return {
    status: isAnswered ? 200 : 503,
    headers: completenessHeaders(shards),
    body: `{${members},"partial":${!isAnswered},"shards":${JSON.stringify(shards)}}`,
  };
}

/** The shard to ask, or why there is none. */
function shardOf(shards: readonly ShardSpec[], id: string | undefined): ShardSpec | string {
  const [only, second] = shards;
  const known = `one of ${shards.map(shard => shard.id).join(', ')}`;
  if (id !== undefined) return shards.find(shard => shard.id === id) ?? badValue('shard', id, known);
  if (only !== undefined && second === undefined) return only;
  return `shard is missing: SQL runs on one shard, not over several, expected ${known}`;
}

function refusal(error: string): Answer {
  return { status: 400, headers: {}, body: `{${errorMember(error)}}` };
}

function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
