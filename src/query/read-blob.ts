import { createHash } from 'node:crypto';
import { BLOB_NOT_FOUND, SHA256_FORM } from '../shared/read/writes.ts';
import { completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import { shardTimeoutMs, waitingTimeMs } from './deadline.ts';
import { fanOut } from './fan-out.ts';
import { RETRY_LATER } from './gate.ts';
import type { ReadDeps } from './run-read.ts';
import type { CallOutcome, ShardClient } from './shard-client.ts';

export interface BlobAnswer {
  readonly status: 200 | 400 | 404 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | { readonly error: string };
}

type BlobDeps = Pick<ReadDeps, 'gate' | 'topology' | 'holding' | 'timeoutMs'> & {
  readonly client: Pick<ShardClient, 'blob'>;
};

/**
 * `GET /api/v1/blobs/{sha256}` (contract §1.6, D22, G3): whichever shard has bytes of that hash first. Not found is
 * 404 only when every shard said so.
 */
export async function readBlob(deps: BlobDeps, request: BlobRequest): Promise<BlobAnswer> {
  const { sha256, signal } = request;
  if (!SHA256_FORM.test(sha256)) {
    const error = `sha256 ${JSON.stringify(sha256)}: expected 64 lower-case hex digits`;
    return { status: 400, headers: {}, body: { error } };
  }
  const turn = await deps.gate.enter({ signal, waitMs: waitingTimeMs(deps.timeoutMs) });
  if (turn.kind === 'entered') return askForBlob(deps, request);
  return { status: 503, headers: RETRY_LATER, body: { error: turn.reason } };
}

interface BlobRequest {
  readonly sha256: string;
  readonly signal: AbortSignal;
}

async function askForBlob(
  { client, topology, holding, timeoutMs }: BlobDeps,
  { sha256, signal }: BlobRequest,
): Promise<BlobAnswer> {
  let found: Buffer | undefined;
  const enough = new AbortController();
  const slots = await fanOut({
    shards: holding.among(topology().shards),
    call: async (shard, callSignal) => {
      const outcome = checked(await client.blob(shard, sha256, callSignal), sha256);
      if (outcome.kind === 'answered' && outcome.value !== undefined) {
        found = outcome.value;
        enough.abort();
      }
      return outcome;
    },
    timeoutMs: shardTimeoutMs(timeoutMs),
    signal: AbortSignal.any([signal, enough.signal]),
    failFast: false,
  });
  if (found !== undefined) return { status: 200, headers: {}, body: found };
  const shards = completenessOf(slots);
  if (shards.failed.length === 0) return { status: 404, headers: {}, body: { error: BLOB_NOT_FOUND } };
  const error = `${BLOB_NOT_FOUND}, but not every shard answered: ${nameMissing(shards)}`;
  return { status: 503, headers: completenessHeaders(shards), body: { error } };
}

function checked(outcome: CallOutcome<Buffer | undefined>, sha256: string): CallOutcome<Buffer | undefined> {
  if (outcome.kind !== 'answered' || outcome.value === undefined) return outcome;
  const hash = createHash('sha256').update(outcome.value).digest('hex');
  return hash === sha256 ? outcome : { kind: 'failed', reason: `gave bytes whose hash is ${hash}` };
}
