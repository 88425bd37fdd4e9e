import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = join(import.meta.dirname, '..', '..', 'bin', 'healthcheck.mjs');

let server: Server;
let status: number;
let asked: string[];
beforeEach(async () => {
  status = 200;
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => void server.close());

const port = () => String((server.address() as AddressInfo).port);

async function check(args: readonly string[], env: Record<string, string> = {}): Promise<number | null> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

/** Ports on which nobody listens. */
const NOBODY = {
  OTELFAN_INGEST_HEALTH_PORT: '1',
  OTELFAN_QUERY_HTTP_PORT: '1',
  OTELFAN_SHARD_READ_PORT: '1',
};

describe('the health check of the image', () => {
  it('is well while the URL that it is given answers 200, and only then', async () => {
    expect(await check([`http://127.0.0.1:${port()}/readyz`])).toBe(0);
    status = 503;
    expect(await check([`http://127.0.0.1:${port()}/readyz`])).toBe(1);
    expect(asked).toEqual(['/readyz', '/readyz']);
  });

  it.each(Object.keys(NOBODY))(
    'finds the part that runs in the container, at the port of %s too',
    async variable => {
      expect(await check([], { ...NOBODY, [variable]: port() })).toBe(0);
      expect(asked).toEqual(['/healthz']);
    },
  );

  it('is not well where no part answers', async () => {
    expect(await check([], NOBODY)).toBe(1);
  });
});
