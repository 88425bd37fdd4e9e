import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { rowLine, trailerLine } from '../../src/shared/read/ndjson.ts';
import type { ShardSpec, Topology } from '../../src/shared/topology/topology.ts';

export interface StubRow {
  readonly key: readonly string[];
  readonly row: unknown;
}

interface StubRead {
  readonly path: string;
  readonly body: unknown;
}

export interface StubShard {
  readonly spec: ShardSpec;
  /** Reads in the order they arrived. */
  readonly reads: readonly StubRead[];
  /** Resolves when a caller went away before its answer was complete. */
  readonly cancelled: Promise<void>;
  stop(): Promise<void>;
}

type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

/** A shard over a real socket that speaks the internal read contract, well or badly. */
export async function startStubShard(id: string, behave: Behaviour, ready = true): Promise<StubShard> {
  const reads: StubRead[] = [];
  const cancelled = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    if (request.url === '/readyz') {
      response.writeHead(ready ? 200 : 503).end();
      return;
    }
    response.once('close', () => {
      if (!response.writableFinished) cancelled.resolve();
    });
    reads.push({ path: request.url ?? '', body: JSON.parse(await text(request)) });
    behave(response, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    spec: shardSpec(id, (server.address() as AddressInfo).port),
    reads,
    cancelled: cancelled.promise,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function shardSpec(id: string, port: number): ShardSpec {
  const url = `http://127.0.0.1:${port}`;
  return { id, kind: 'embedded', otlp: url, read: url, weight: 1, state: 'active' };
}

/** Reads go to every shard, so nothing here owns a slot. */
export function topologyOf(shards: readonly ShardSpec[]): Topology {
  return { version: 1, all: shards, shards, active: shards, owners: new Uint16Array(), previous: [] };
}

export function ndjson(
  rows: readonly StubRow[],
  trailer: { rows?: number; truncated?: boolean } = {},
): string {
  const lines = rows.map(({ key, row }) => rowLine(key, JSON.stringify(row))).join('');
  return lines + trailerLine({ rows: rows.length, asOf: '1', truncated: false, ...trailer });
}

export function answers(rows: readonly StubRow[]): Behaviour {
  return response => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(ndjson(rows));
  };
}
