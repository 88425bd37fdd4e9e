import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/cli/exit-codes.ts';
import { listenError } from '../../../src/cli/serve.ts';

function failureOn(host: string, port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => reject(new Error('it listens'))));
  });
}

describe('an address that cannot be listened on', () => {
  it('is named, when it is of another machine', async () => {
    // 203.0.113.0/24 is for documentation (RFC 5737).
    const error = listenError(await failureOn('203.0.113.7', 4318));
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toBe('cannot listen on 203.0.113.7: not an address of this machine');
  });

  it('is not blamed for a file that may not be written', () => {
    const error = Object.assign(new Error('EACCES: permission denied, mkdir'), { code: 'EACCES' });
    expect(listenError(error)).toBe(error);
  });
});
