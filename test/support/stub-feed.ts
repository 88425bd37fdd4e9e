import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import { shardSpec } from './stub-shard.ts';

export interface StubFeed {
  readonly spec: ShardSpec;
  /** Paths with their parameters, in the order they were asked for. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** A shard's live feed over a real socket that says what a test makes it say. */
export async function startStubFeed(id: string, say: (response: ServerResponse) => void): Promise<StubFeed> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    say(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    spec: shardSpec(id, (server.address() as AddressInfo).port),
    asked,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
