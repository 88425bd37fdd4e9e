import type { BreakerState } from '../shared/breaker.ts';
import type { Component } from '../shared/lifecycle.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import { type CallFigures, type CallMeter, createCallMeter } from './call-meter.ts';
import { isDeadline } from './deadline.ts';
import { each } from './http-call.ts';
import {
  createShardHttp,
  type ShardHttpOptions,
  type ShardRequest,
  type ShardResponse,
} from './shard-http.ts';
import { errorMember, refusalOf } from './shard-refusal.ts';

/**
 * `cut` is an answer that the shard ended at a bound of its own; `unreachable` means that no answer began, so that
 * asking again may help; `refused` that the shard finds fault with the question.
 */
export type CallOutcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'cut'; readonly value: T; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** What comes of a call whose answer cannot be cut. */
export type WholeOutcome<T> = Exclude<CallOutcome<T>, { readonly kind: 'cut' }>;

type CallFailure = Exclude<WholeOutcome<never>, { readonly kind: 'answered' }>;

/** Calls of shards over HTTP, whatever they are about. They never reject, and an abort settles them at once. */
export interface ShardCalls extends Component {
  /** Has the answer taken, whatever its status. */
  exchange<O extends AnyOutcome>(shard: ShardSpec, call: ShardCall, take: Take<O>): Promise<O | CallFailure>;
  /** Has an answer with status 200 taken; any other is a refusal, but for what is said to be missing. */
  ask<O extends AnyOutcome>(
    shard: ShardSpec,
    call: ShardCall,
    take: Take<O>,
    missing?: Missing<O>,
  ): Promise<O | CallFailure>;
  /** Lets go of connections to addresses that none of these shards has. */
  keepOnly(shards: readonly ShardSpec[]): void;
  breakerState(shard: ShardSpec): BreakerState;
}

/** Without `maxBytes` the answer may be as large as one that is held. */
type ShardCall = Omit<ShardRequest, 'meter'> & { readonly meter?: CallMeter | undefined };

type AnyOutcome = CallOutcome<unknown>;
type Take<O> = (response: ShardResponse) => Promise<O>;

/** What a 404 with this error says. */
interface Missing<O> {
  readonly error: string;
  readonly outcome: O;
}

export interface ShardCallOptions extends ShardHttpOptions {
  /** Largest answer of one shard to one call, where it is held. */
  readonly maxAnswerBytes: number;
  /** Told of every call when it has ended. */
  readonly onCall?: (call: EndedCall) => void;
}

export interface EndedCall {
  readonly shardId: string;
  /** `timeout` and `cancelled` when it was not waited for any longer. */
  readonly outcome: CallOutcome<unknown>['kind'] | 'timeout' | 'cancelled';
  readonly figures: CallFigures;
}

export function createShardCalls({ maxAnswerBytes, onCall, ...options }: ShardCallOptions): ShardCalls {
  const http = createShardHttp(options);
  const maxBytes = { sizeBytes: maxAnswerBytes, setting: 'query.maxShardAnswerBytes' };

  async function exchange<O extends AnyOutcome>(
    shard: ShardSpec,
    { meter = createCallMeter(), ...call }: ShardCall,
    take: Take<O>,
  ): Promise<O | CallFailure> {
    const outcome = await http.exchange(shard, { maxBytes, ...call, meter }, take);
    onCall?.({ shardId: shard.id, outcome: endOf(outcome, call.signal), figures: meter.figures() });
    return outcome;
  }

  return {
    exchange,
    ask<O extends AnyOutcome>(shard: ShardSpec, call: ShardCall, take: Take<O>, missing?: Missing<O>) {
      return exchange<O | CallFailure>(shard, call, async response => {
        if (response.statusCode === 200) return take(response);
        const text = await readStart(each(response.body));
        const isMissing = response.statusCode === 404 && errorMember(text) === missing?.error;
        return isMissing && missing !== undefined ? missing.outcome : refusalOf(response.statusCode, text);
      });
    },
    keepOnly: http.keepOnly,
    breakerState: http.breakerState,
    stop: http.stop,
  };
}

function endOf({ kind }: CallOutcome<unknown>, signal: AbortSignal): EndedCall['outcome'] {
  if (!signal.aborted || kind === 'answered' || kind === 'cut') return kind;
  return isDeadline(signal.reason) ? 'timeout' : 'cancelled';
}

const MAX_ERROR_BYTES = 16 * 1024;

/** As much of a body as is looked at for an error. */
export async function readStart(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
