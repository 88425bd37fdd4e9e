import { createHash } from 'node:crypto';
import { SHA256_FORM } from '../shared/read/writes.ts';
import { answerOf, busy, refusal, type WholeAnswer } from './answer.ts';
import { createCallMeter } from './call-meter.ts';
import { shardTimeoutMs, waitingTimeMs } from './deadline.ts';
import { fanOut } from './fan-out.ts';
import { badValue, parseParams, timeoutMs as timeoutParam } from './params.ts';
import type { ReadDeps } from './run-read.ts';
import type { CallOutcome } from './shard-call.ts';
import type { ShardClient } from './shard-client.ts';

type BlobDeps = Pick<ReadDeps, 'gate' | 'held' | 'topology' | 'holding' | 'timeoutMs'> & {
  readonly client: Pick<ShardClient, 'blob'>;
};

interface BlobRequest {
  readonly sha256: string;
  readonly search: URLSearchParams;
  readonly signal: AbortSignal;
}

/**
 * `GET /api/v1/blobs/{sha256}` (contract §1.6, D22, G3): whichever shard has bytes of that hash first. Not found is
 * 404 only when every shard said so.
 */
export async function readBlob(
  { client, gate, held, topology, holding, timeoutMs }: BlobDeps,
  { sha256, search, signal }: BlobRequest,
): Promise<WholeAnswer> {
  const startMs = performance.now();
  if (!SHA256_FORM.test(sha256)) return refusal(400, badValue('sha256', sha256, '64 lower-case hex digits'));
  const parsed = parseParams(search, { timeout: timeoutParam });
  if (parsed.kind === 'bad') return refusal(400, parsed.error);
  const limitMs = Math.min(parsed.values.timeout ?? timeoutMs, timeoutMs);
  const turn = await gate.enter({ signal, waitMs: waitingTimeMs(limitMs) });
  if (turn.kind === 'refused') return busy(turn.reason);
  const share = held.open(signal);

  let found: Buffer | undefined;
  const enough = new AbortController();
  const take = (sizeBytes: number) => {
    const notHeld = share.take(sizeBytes);
    if (notHeld !== undefined) enough.abort();
    return notHeld;
  };
  const slots = await fanOut({
    shards: holding.among(topology().shards),
    call: async (shard, callSignal) => {
      const outcome = checked(await client.blob(shard, sha256, callSignal, createCallMeter(take)), sha256);
      if (outcome.kind === 'answered' && outcome.value !== undefined) {
        found = outcome.value;
        enough.abort();
      }
      return outcome;
    },
    timeoutMs: shardTimeoutMs(limitMs),
    startMs,
    signal: AbortSignal.any([signal, enough.signal]),
    failFast: false,
  });
  const notHeld = share.refusal();
  if (found === undefined && notHeld !== undefined) return busy(notHeld);
  if (found === undefined) {
    return answerOf({ kind: 'not-found', what: 'blob' }, slots, {
      isStrict: false,
      tellCost: () => undefined,
    });
  }
  return { kind: 'whole', status: 200, headers: {}, body: found, contentType: 'application/octet-stream' };
}

function checked(outcome: CallOutcome<Buffer | undefined>, sha256: string): CallOutcome<Buffer | undefined> {
  if (outcome.kind !== 'answered' || outcome.value === undefined) return outcome;
  const hash = createHash('sha256').update(outcome.value).digest('hex');
  return hash === sha256 ? outcome : { kind: 'failed', reason: `gave bytes whose hash is ${hash}` };
}
