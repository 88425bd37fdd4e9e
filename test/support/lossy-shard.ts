import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';

/** Stands before a shard, passes on what it is sent, and loses the first answers. */
export interface LossyShard {
  /** The shard as it is seen from here on. */
  before(spec: ShardSpec): ShardSpec;
  calls(): number;
  stop(): void;
}

export async function startLossy(answersToLose: number): Promise<LossyShard> {
  let own: ShardSpec | undefined;
  let calls = 0;
  const server = createServer((incoming, response) => {
    const { method, url: path, headers } = incoming;
    const isLost = ++calls <= answersToLose;
    const outgoing = httpRequest(`${own?.read}${path}`, { ...(method && { method }), headers }, answer => {
      if (isLost) answer.resume().once('end', () => incoming.socket.destroy());
      else answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers));
    });
    incoming.pipe(outgoing);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    before(spec) {
      own = spec;
      return { ...spec, read: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    },
    calls: () => calls,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
