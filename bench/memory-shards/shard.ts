import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AS_OF_HEADER,
  READABLE_PATH,
  readPath,
  SHARD_READS,
  type ShardReadName,
  SNAPSHOT_PATH,
} from '../../src/shared/read/contract.ts';
import { trailerLine } from '../../src/shared/read/ndjson.ts';
import { obeyOrders } from '../load/child.ts';
import { durationsOn } from './durations.ts';
import { createSpanRows, type SpanRows, WINDOWS } from './rows.ts';
import type { ShardOrder, ShardPort } from './shards.ts';
import { createStates, type States } from './states.ts';

/*
 * One shard. Whatever it says was rendered before, or is remembered when it is asked for the first time, so that an
 * answer costs it little.
 */

/** Where an averaging proxy finds the shard's own summary. */
const SUMMARY_PATH = '/api/v1/summary';
const AS_OF = '1';
const HEADERS = { 'content-type': 'application/x-ndjson', [AS_OF_HEADER]: AS_OF };

let shard = 0;
let rows: SpanRows | undefined;
let states: States | undefined;
let delayMs: number | undefined = 0;
let port = 0;
const remembered = new Map<string, string>();

interface SpansRequest {
  readonly limit: number;
  /** The number of a window, as if its rows were the newest of a service. */
  readonly service?: string;
  readonly startAt?: readonly string[];
}

function answerSpans({ limit, service = '0', startAt }: SpansRequest, response: ServerResponse): void {
  if (rows === undefined) throw new Error('the shard has no rows');
  const first = startAt === undefined ? rows.windowStart(Number(service) % WINDOWS) : rows.indexOf(startAt);
  const found = rows.lines(first, limit);
  response.writeHead(200, HEADERS).write(found.bytes);
  response.end(trailerLine({ rows: found.rows, asOf: AS_OF, truncated: false }));
}

/** Windows differ from request to request, and hold everything here. */
function stateLines(name: ShardReadName, { fromNs: _from, ...request }: Record<string, unknown>): string {
  const question = `${name} ${JSON.stringify(request)}`;
  const known = remembered.get(question);
  if (known !== undefined) return known;
  if (states === undefined) throw new Error('the shard holds no durations');
  const lines = states.lines(name, SHARD_READS[name].parse(request));
  const body = lines.join('') + trailerLine({ rows: lines.length, asOf: AS_OF, truncated: false });
  remembered.set(question, body);
  return body;
}

interface SnapshotBody {
  readonly reads: readonly { readonly name: ShardReadName; readonly request: Record<string, unknown> }[];
}

function answer(path: string, body: string, response: ServerResponse): void {
  if (path === SUMMARY_PATH) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(remembered.get(SUMMARY_PATH));
  } else if (path === SNAPSHOT_PATH) {
    const { reads } = JSON.parse(body) as SnapshotBody;
    response
      .writeHead(200, HEADERS)
      .end(reads.map(({ name, request }) => stateLines(name, request)).join(''));
  } else if (path === readPath('spans')) answerSpans(JSON.parse(body) as SpansRequest, response);
  else if (path.startsWith(readPath('' as ShardReadName))) {
    const { asOf: _asOf, ...request } = JSON.parse(body) as Record<string, unknown>;
    response.writeHead(200, HEADERS).end(stateLines(path.split('/').at(-1) as ShardReadName, request));
  } else response.writeHead(path === READABLE_PATH ? 200 : 404).end();
}

const server = createServer({ keepAliveTimeout: 60_000 }, async ({ url = '' }, response) => {
  const body = await text(response.req);
  if (delayMs === undefined) return;
  if (delayMs > 0) await sleep(delayMs);
  answer(url, body, response);
});

obeyOrders<ShardOrder>(async order => {
  switch (order.kind) {
    case 'start':
      shard = order.shard;
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      port = (server.address() as AddressInfo).port;
      break;
    case 'rows':
      rows = createSpanRows({ ...order, shard });
      break;
    case 'hold':
      remembered.clear();
      states = createStates(durationsOn(shard, order.plan), { shard, shards: order.plan.shards });
      remembered.set(SUMMARY_PATH, JSON.stringify(states.summary()));
      break;
    case 'delay':
      delayMs = order.ms;
      break;
    default:
      order satisfies never;
  }
  return { port } satisfies ShardPort;
});
