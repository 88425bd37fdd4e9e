import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readAhead } from '../../../src/shard/api/read-ahead.ts';
import { rowLine } from '../../../src/shared/read/ndjson.ts';
import { logMessages } from '../../support/log-messages.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

const HOST = '127.0.0.1';

const servers: Server[] = [];
let shard: TestShard | undefined;
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await shard?.remove();
  shard = undefined;
});

/** A read API that answers as it is told, and remembers what it was asked. */
async function startDoor(answer: (call: string) => { status?: number; text: string } | 'never') {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const call = `${request.url?.split('/').at(-1)} ${body}`;
    asked.push(call);
    const given = answer(call);
    if (given === 'never') return;
    response.writeHead(given.status ?? 200);
    response.end(given.text);
  });
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, HOST, resolve));
  return { asked, port: (server.address() as AddressInfo).port };
}

const TRAILER = '{"end":{}}\n';
const warm = Promise.resolve();

describe('reading ahead', () => {
  it('asks for the newest spans, the trace of the first of them, the newest logs and the services', async () => {
    const spans = [rowLine(['9', 'ab'.repeat(16), '1'], '{}'), rowLine(['8', 'cd'.repeat(16), '1'], '{}')];
    const { asked, port } = await startDoor(call => ({
      text: (call.startsWith('spans') ? spans.join('') : '') + TRAILER,
    }));
    await readAhead({ host: HOST, port }, { warm });
    expect(asked).toEqual([
      'spans {"limit":100}',
      `trace {"traceId":"${'ab'.repeat(16)}"}`,
      'logs {"limit":100}',
      'services {}',
    ]);
  });

  it('asks for no trace where there is none', async () => {
    const { asked, port } = await startDoor(() => ({ text: TRAILER }));
    await readAhead({ host: HOST, port }, { warm });
    expect(asked.map(call => call.split(' ')[0])).toEqual(['spans', 'logs', 'services']);
  });

  it('waits until what reads go on from is known, though not for long', async () => {
    const { asked, port } = await startDoor(() => ({ text: TRAILER }));
    const never = new Promise<void>(() => undefined);
    await expect(readAhead({ host: HOST, port }, { warm: never, mostMs: 300 })).rejects.toThrow(/time/i);
    expect(asked.map(call => call.split(' ')[0])).toEqual(['spans', 'logs']);
  });

  it('is done by a shard that starts, before it is ready', async () => {
    const { logger, messages } = logMessages('debug');
    shard = await startTestShard({ logger });
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1 }]));
    messages.length = 0;
    await shard.restart();
    expect(messages).toContain('read ahead');
  });

  it('rejects when an answer is none, or does not come in time', async () => {
    const { port } = await startDoor(call =>
      call.startsWith('spans') ? { text: TRAILER } : { status: 503, text: 'down' },
    );
    await expect(readAhead({ host: HOST, port }, { warm })).rejects.toThrow('logs was answered 503: down');
    const silent = await startDoor(() => 'never');
    await expect(readAhead({ host: HOST, port: silent.port }, { warm, mostMs: 50 })).rejects.toThrow(
      /abort/i,
    );
  });
});
