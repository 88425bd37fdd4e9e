import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { obeyOrders } from './child.ts';
import type { SinkCommand, SinkState } from './sinks.ts';

/*
 * Shards that take everything and keep nothing, several in one process of its own, so that delivery is measured
 * without a store.
 */

interface Sink {
  server: Server | undefined;
  port: number;
}

const state = { bytes: 0, batches: 0 };
const sinks: Sink[] = [];

function open(sink: Sink): Promise<void> {
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      state.bytes += chunk.length;
    });
    request.on('end', () => {
      state.batches += 1;
      response.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': 0 }).end();
    });
  });
  sink.server = server;
  return new Promise(resolve => {
    server.listen(sink.port, '127.0.0.1', () => {
      sink.port = (server.address() as AddressInfo).port;
      resolve();
    });
  });
}

obeyOrders<SinkCommand>(async command => {
  switch (command.kind) {
    case 'start':
      for (let index = 0; index < command.count; index++) {
        const sink: Sink = { server: undefined, port: 0 };
        sinks.push(sink);
        await open(sink);
      }
      break;
    case 'open':
      await open(sinks[command.index] as Sink);
      break;
    case 'close':
      sinks[command.index]?.server?.close();
      sinks[command.index]?.server?.closeAllConnections();
      break;
    case 'count':
      break;
    default:
      command satisfies never;
  }
  return { ...state, ports: sinks.map(sink => sink.port) } satisfies SinkState;
});
