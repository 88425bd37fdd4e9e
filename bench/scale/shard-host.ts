import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { AS_OF_HEADER, readPath } from '../../src/shared/read/contract.ts';
import { nanosKey, rowLine, trailerLine } from '../../src/shared/read/ndjson.ts';
import { obeyOrders } from '../load/child.ts';
import type { ShardHostOrder, ShardHostState } from './shard-host-client.ts';

/*
 * Any number of shards in one process, each on a port of its own. They answer reads of spans from memory, with rows that
 * were rendered before, and the next span of all shards is always on the next shard.
 */

const AS_OF = '1';
const HEADERS = { 'content-type': 'application/x-ndjson', [AS_OF_HEADER]: AS_OF };
const NEWEST_NS = 1_700_000_000_000_000_000n;
const STEP_NS = 1_000_000n;
/** Brings a row to about 0.9 KB, as that of a span with a dozen attributes. */
const ATTRIBUTES = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [`app.attribute.${index}`, 'a value of some length'.repeat(2)]),
);

const servers: Server[] = [];

function rowsOf(shard: number, { shards, rows }: { shards: number; rows: number }): Buffer[] {
  return Array.from({ length: rows }, (_, index) => {
    const rank = index * shards + shard;
    const traceId = rank.toString(16).padStart(32, '0');
    const spanId = rank.toString(16).padStart(16, '0');
    const span = {
      trace_id: traceId,
      span_id: spanId,
      service: 'shop',
      operation: 'GET /',
      attributes: ATTRIBUTES,
    };
    return Buffer.from(
      rowLine([nanosKey(NEWEST_NS - BigInt(rank) * STEP_NS), traceId, spanId], JSON.stringify(span)),
    );
  });
}

function answerSpans(rows: readonly Buffer[], body: string, response: ServerResponse): void {
  const { limit } = JSON.parse(body) as { limit: number };
  const given = rows.slice(0, limit);
  response.writeHead(200, HEADERS).write(Buffer.concat(given));
  response.end(trailerLine({ rows: given.length, asOf: AS_OF, truncated: false }));
}

async function open(rows: readonly Buffer[]): Promise<number> {
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const body = await text(request);
    if (request.url === readPath('spans')) answerSpans(rows, body, response);
    else response.writeHead(request.url === '/readyz' ? 200 : 404).end();
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

obeyOrders<ShardHostOrder>(async order => {
  const ports: number[] = [];
  for (let shard = 0; shard < order.shards; shard++) ports.push(await open(rowsOf(shard, order)));
  return { ports } satisfies ShardHostState;
});
