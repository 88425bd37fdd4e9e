import type { Component } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import type { Send } from './outcome.ts';

/** Carries batches to one shard, over whatever it speaks. */
export interface ShardSender extends Component {
  readonly send: Send;
}

export interface SenderOptions {
  /** Id of the shard, for messages. */
  readonly shard: string;
  /** Base URL of the shard's OTLP door. */
  readonly baseUrl: string;
  /** How long the shard may take for one batch, connecting included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}
