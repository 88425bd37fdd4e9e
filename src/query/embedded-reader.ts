import { AS_OF_HEADER, MAX_BYTES_HEADER, readPath, SNAPSHOT_PATH } from '../shared/read/contract.ts';
import { wholeOf } from './http-call.ts';
import { cutReason, rowBodiesOf } from './row-body.ts';
import type { CallOutcome, ShardCalls } from './shard-call.ts';
import type { RowStream, ShardReader, SnapshotRows } from './shard-reader.ts';
import { canBeginInTheMiddle } from './whole-rows.ts';

const JSON_BODY = { method: 'POST', headers: { 'content-type': 'application/json' } } as const;
/** More than a trailer has. */
const TRAILER_BYTES = 256;

export interface EmbeddedReaderOptions {
  readonly calls: Pick<ShardCalls, 'ask'>;
  /** Largest answer of one shard to one call, where it is held. */
  readonly maxAnswerBytes: number;
}

/** Reads shards of our own, which speak the internal read API. */
export function createEmbeddedReader({ calls, maxAnswerBytes }: EmbeddedReaderOptions): ShardReader {
  /** A shard that knows the bound gives what fits, and is asked for the rest; an answer beyond it would be lost. */
  const bounded = { [MAX_BYTES_HEADER]: String(Math.max(0, maxAnswerBytes - TRAILER_BYTES)) };
  return {
    snapshot(shard, { asOf, reads }, signal, newMeter) {
      const [only] = reads;
      const isAlone = reads.length === 1 && only !== undefined;
      const post = {
        ...JSON_BODY,
        headers: { ...JSON_BODY.headers, ...(isAlone && canBeginInTheMiddle(only) && bounded) },
        path: isAlone ? readPath(only.name) : SNAPSHOT_PATH,
        body: JSON.stringify(isAlone ? { ...only.request, asOf } : { asOf, reads }),
        signal,
        meter: newMeter?.(),
      };
      return calls.ask<CallOutcome<SnapshotRows>>(shard, post, async response => {
        const body = rowBodiesOf(await wholeOf(response.body), reads.length);
        if (body.kind === 'broken') return { kind: 'failed', reason: body.reason };
        const parts = body.bodies.map(({ lines }) => ({ shardId: shard.id, lines }));
        const rows = body.bodies.map(each => each.rows);
        const cuts = body.bodies.map(each => (each.truncated ? each : undefined));
        const value = { asOf: body.asOf, parts, rows, cuts };
        const cut = body.bodies.find(({ truncated }) => truncated);
        return cut === undefined
          ? { kind: 'answered', value }
          : { kind: 'cut', value, reason: cutReason(cut) };
      });
    },
    rows(shard, { name, request, asOf }, signal, newMeter) {
      const post = {
        ...JSON_BODY,
        path: readPath(name),
        body: JSON.stringify({ ...request, asOf }),
        signal,
        meter: newMeter?.(),
        maxBytes: undefined,
      };
      const begun = Promise.withResolvers<CallOutcome<RowStream>>();
      const sent = calls.ask<CallOutcome<RowStream>>(shard, post, async ({ headers, body }) => {
        const answeredAt = headers[AS_OF_HEADER];
        if (typeof answeredAt !== 'string') {
          return { kind: 'failed', reason: `answered without the header ${AS_OF_HEADER}` };
        }
        const outcome = { kind: 'answered', value: { asOf: answeredAt, body } } as const;
        begun.resolve(outcome);
        const error = await body.over;
        if (error !== undefined) throw error;
        return outcome;
      });
      void sent.then(begun.resolve);
      return begun.promise;
    },
  };
}
