import grpc from '@grpc/grpc-js';
import { Pool } from 'undici';
import { SIGNAL_FACTS } from '../../src/shared/otlp/signal.ts';
import type { LoadPlan } from './load.ts';

export interface Sender {
  /** Resolves to the answer's body; rejects when the request was not accepted. */
  send(body: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}

export function createSender(plan: LoadPlan): Sender {
  return plan.transport === 'grpc' ? createGrpcSender(plan) : createHttpSender(plan);
}

function createHttpSender({ target, transport, signal, concurrency }: LoadPlan): Sender {
  const pool = new Pool(target, { connections: concurrency, pipelining: 1 });
  const headers = { 'content-type': transport === 'json' ? 'application/json' : 'application/x-protobuf' };
  const { path } = SIGNAL_FACTS[signal];
  return {
    async send(body) {
      const answer = await pool.request({ method: 'POST', path, headers, body });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      if (answer.statusCode !== 200)
        throw new Error(`HTTP ${answer.statusCode}: ${bytes.toString('utf8').slice(0, 300)}`);
      return bytes;
    },
    close: () => pool.close(),
  };
}

/** A client per four requests on the way: one connection's flow control would be the limit otherwise. */
function createGrpcSender({ target, signal, concurrency }: LoadPlan): Sender {
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const clients = Array.from(
    { length: Math.ceil(concurrency / 4) },
    () => new grpc.Client(target, grpc.credentials.createInsecure(), options),
  );
  const raw = (bytes: Buffer) => bytes;
  const method = `/${SIGNAL_FACTS[signal].grpcService}/Export`;
  let next = 0;
  return {
    send: body =>
      new Promise((resolve, reject) => {
        const client = clients[next++ % clients.length] as grpc.Client;
        client.makeUnaryRequest(method, raw, raw, body, (error, answer) =>
          error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error),
        );
      }),
    close: () => {
      for (const client of clients) client.close();
      return Promise.resolve();
    },
  };
}
