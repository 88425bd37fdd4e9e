import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { AS_OF_HEADER, READABLE_PATH, readPath } from '../../src/shared/read/contract.ts';
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

/** The rows of one of several shards. */
interface Held {
  readonly shard: number;
  readonly shards: number;
  readonly rows: readonly Buffer[];
}

function heldBy(shard: number, { shards, rows: count }: ShardHostOrder): Held {
  const rows = Array.from({ length: count }, (_, index) => {
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
  return { shard, shards, rows };
}

/** Index of the first row that is no newer. */
function firstFrom(startKey: string, { shard, shards }: Held): number {
  const rank = Number((NEWEST_NS - BigInt(startKey)) / STEP_NS);
  return Math.max(0, Math.ceil((rank - shard) / shards));
}

interface Spans {
  readonly limit: number;
  readonly startAt?: readonly [startKey: string, traceId: string, spanId: string];
}

function answerSpans(held: Held, body: string, response: ServerResponse): void {
  const { limit, startAt } = JSON.parse(body) as Spans;
  const first = startAt === undefined ? 0 : firstFrom(startAt[0], held);
  const given = held.rows.slice(first, first + limit);
  response.writeHead(200, HEADERS).write(Buffer.concat(given));
  response.end(trailerLine({ rows: given.length, asOf: AS_OF, truncated: false }));
}

async function open(held: Held): Promise<number> {
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const body = await text(request);
    if (request.url === readPath('spans')) answerSpans(held, body, response);
    else response.writeHead(request.url === READABLE_PATH ? 200 : 404).end();
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

obeyOrders<ShardHostOrder>(async order => {
  const ports: number[] = [];
  for (let shard = 0; shard < order.shards; shard++) ports.push(await open(heldBy(shard, order)));
  return { ports } satisfies ShardHostState;
});
