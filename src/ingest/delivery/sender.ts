import type { Component } from '../../shared/lifecycle.ts';
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
}

/** Of a refusal, this much is kept as the reason. */
const MAX_REASON_CHARS = 500;

/** What a shard said, fit for a log line and a dead letter. */
export function readable(text: string): string {
  return text
    .replace(/[^\x20-\x7e\u00a0-\ufffc]+/g, ' ')
    .trim()
    .slice(0, MAX_REASON_CHARS);
}
