import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

export interface Address {
  readonly port: number;
  /** How often somebody connected. */
  connections(): number;
  /** Where connections go from now on. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

/** A network that carries nothing for a while once it has carried so much to a server. */
interface Pause {
  readonly carriedBytes: number;
  readonly ms: number;
}

/**
 * An address that can be made to lead to another server, as DNS and virtual addresses do; connections stay put.
 * Without a port it leads to somebody who accepts and says nothing.
 */
export async function startAddress(firstPort?: number, pause?: Pause): Promise<Address> {
  let port = firstPort;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer(client => {
    connections += 1;
    sockets.add(client);
    client.on('error', () => undefined);
    if (port === undefined) return;
    const target = connect(port, '127.0.0.1');
    sockets.add(target);
    target.on('error', () => undefined);
    if (pause === undefined) client.pipe(target);
    else client.pipe(pausing(pause)).pipe(target);
    target.pipe(client);
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    connections: () => connections,
    leadTo(other: number) {
      port = other;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function pausing({ carriedBytes, ms }: Pause): Transform {
  let toCarryBytes = carriedBytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const isPause = toCarryBytes > 0 && toCarryBytes <= chunk.length;
      toCarryBytes -= chunk.length;
      if (isPause) setTimeout(() => done(null, chunk), ms);
      else done(null, chunk);
    },
  });
}
