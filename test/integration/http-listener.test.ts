import { createServer } from 'node:http';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { listen } from '../../src/shared/http-listener.ts';

const options = { host: '127.0.0.1', port: 0, stopGraceMs: 60_000 };

it('stopping does not wait for a connection that never sent a request', async () => {
  const server = createServer();
  const listener = await listen(server, options);
  const socket = connect(listener.port, options.host);
  await new Promise(resolve => server.once('connection', resolve));
  await listener.stop();
  socket.destroy();
});

it('stopping does not wait for a kept connection whose request was in hand when it began', async () => {
  const server = createServer();
  const listener = await listen(server, options);
  const inHand = new Promise<() => void>(resolve => {
    server.on('request', (_request, response) => resolve(() => response.end('done')));
  });
  const answer = fetch(`http://127.0.0.1:${listener.port}/`);
  const finish = await inHand;
  const stopped = listener.stop();
  finish();
  expect(await (await answer).text()).toBe('done');
  await stopped;
});
