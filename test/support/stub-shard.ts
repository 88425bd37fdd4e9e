import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { AS_OF_HEADER, READABLE_PATH } from '../../src/shared/read/contract.ts';
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

type Behaviour = (response: ServerResponse, request: IncomingMessage, read: StubRead) => void;

/** A shard over a real socket that speaks the internal read contract, well or badly. */
export async function startStubShard(id: string, behave: Behaviour, ready = true): Promise<StubShard> {
  const reads: StubRead[] = [];
  const cancelled = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    if (request.url === READABLE_PATH) {
      response.writeHead(ready ? 200 : 503).end();
      return;
    }
    response.once('close', () => {
      if (!response.writableFinished) cancelled.resolve();
    });
    response.setHeader(AS_OF_HEADER, '1');
    const asked = await text(request);
    const read = { path: request.url ?? '', body: asked === '' ? undefined : JSON.parse(asked) };
    reads.push(read);
    behave(response, request, read);
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
  const owners = new Uint16Array();
  return { version: 1, all: shards, shards, active: shards, owners, previous: [], fingerprint: 1 };
}

/** A row of the read `services`. */
export function service(name: string): StubRow {
  const counts = { span_count: 1, trace_count: 1, error_count: 0, duration_sum_ns: '1' };
  return { key: [name], row: { service: name, ...counts } };
}

export function ndjson(
  rows: readonly StubRow[],
  trailer: { rows?: number; truncated?: boolean } = {},
): string {
  const lines = rows.map(({ key, row }) => rowLine(key, JSON.stringify(row))).join('');
  return lines + trailerLine({ rows: rows.length, asOf: '1', truncated: false, ...trailer });
}

interface StubRequest {
  readonly limit?: number;
  readonly startAt?: readonly string[];
}

interface StubQuestion extends StubRequest {
  readonly reads?: readonly { readonly name: string; readonly request?: StubRequest }[];
}

/** Answers each read with the rows, from the key on that it is to begin at and up to its limit; of slots it has none. */
export function answers(rows: readonly StubRow[]): Behaviour {
  const wanted = ({ limit, startAt }: StubRequest) => {
    const first = startAt === undefined ? 0 : rows.findIndex(({ key }) => key.join() === startAt.join());
    return rows.slice(Math.max(first, 0)).slice(0, limit);
  };
  return (response, _request, { body }) => {
    const question = (body ?? {}) as StubQuestion;
    const { reads = [{ name: 'any', request: question }] } = question;
    const noSlots = [{ key: [], row: { slots: [] } }];
    const texts = reads.map(({ name, request = {} }) =>
      ndjson(name === 'spanSlots' ? noSlots : wanted(request)),
    );
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(texts.join(''));
  };
}
