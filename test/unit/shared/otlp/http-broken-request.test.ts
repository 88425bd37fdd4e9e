import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { answerBrokenRequest } from '../../../../src/shared/otlp/http-broken-request.ts';

/** What is written to a connection whose request broke off with this error. */
async function answerTo(code: string): Promise<string> {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  const closed = new Promise(resolve => socket.once('close', resolve));
  answerBrokenRequest(Object.assign(new Error('Parse Error'), { code }), socket);
  await closed;
  return Buffer.concat(written).toString();
}

it('a request that took too long is to be repeated: 503 and not 408, after which senders drop their data', async () => {
  const answer = await answerTo('ERR_HTTP_REQUEST_TIMEOUT');
  expect(answer).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
  expect(answer).toContain('retry-after: 1\r\n');
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 14 });
});

it('a head that is too large, or no HTTP, is malformed', async () => {
  for (const code of ['HPE_HEADER_OVERFLOW', 'HPE_INVALID_METHOD']) {
    const answer = await answerTo(code);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 3 });
  }
});

it('a connection that was reset gets nothing', async () => {
  expect(await answerTo('ECONNRESET')).toBe('');
});
