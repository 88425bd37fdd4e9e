import type { ShardSpec } from '../../shared/topology/topology.ts';
import { createHttpSender } from './http-sender.ts';
import type { SenderOptions, ShardSender } from './sender.ts';
import { createTaelSender } from './tael-sender.ts';

interface ShardSenderOptions extends SenderOptions {
  readonly kind: ShardSpec['kind'];
}

/** @throws when the kind of shard cannot be reached at such an address. */
export function createShardSender({ kind, ...options }: ShardSenderOptions): ShardSender {
  switch (kind) {
    case 'embedded':
      return createHttpSender(options);
    case 'tael':
      return createTaelSender(options);
  }
}
