import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SIGNAL_FACTS } from '../../../src/shared/otlp/signal.ts';
import { connectRaw, grpcFrame } from '../../support/raw-grpc.ts';
import { otlpBytes } from '../../support/test-shard.ts';
import type { MadeExport } from '../records.ts';
import { BOTH_QUEUES, type Scenario } from '../scenario.ts';
import type { Doors } from '../transports.ts';

const UPLOADS = 40;

/** Clients that go away in the middle of a body, over every transport: nothing of it may be stored. */
export const uploadsScenario: Scenario = {
  name: 'clients disconnect in the middle of an upload',
  queues: BOTH_QUEUES,
  async run(trial) {
    const { site, dice, source, ledger } = trial;
    const ways = [abandonHttp('content-length'), abandonHttp('chunked'), abandonGrpc];
    for (let upload = 0; upload < UPLOADS; upload += 1) {
      const made = source.next({ records: 10 });
      const entry = ledger.begin(made);
      entry.attempt();
      await dice.pick(ways)(dice.pick(site.doors), made, 0.1 + 0.8 * (dice.below(100) / 100));
      entry.became({ kind: 'refused', reason: 'never sent to its end' });
    }
    trial.note(`${UPLOADS} uploads were abandoned`);
  },
};

type Abandon = (doors: Doors, made: MadeExport, share: number) => Promise<void>;

function abandonHttp(framing: 'content-length' | 'chunked'): Abandon {
  return async ({ http }, { signal, request }, share) => {
    const body = otlpBytes(signal, request);
    const part = body.subarray(0, Math.floor(share * body.length));
    const { port, host } = new URL(http);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    const head = `POST ${SIGNAL_FACTS[signal].path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/x-protobuf\r\n`;
    if (framing === 'chunked') {
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n${part.length.toString(16)}\r\n`);
      socket.write(part);
      socket.write('\r\n');
    } else {
      socket.write(`${head}content-length: ${body.length}\r\n\r\n`);
      socket.write(part);
    }
    await sleep(10);
    socket.destroy();
  };
}

const abandonGrpc: Abandon = async ({ grpc }, { signal, request }, share) => {
  const client = connectRaw(Number(new URL(grpc).port));
  const frame = grpcFrame(otlpBytes(signal, request));
  const { answer } = client.call({
    headers: { ':path': `/${SIGNAL_FACTS[signal].grpcService}/Export` },
    chunks: [frame.subarray(0, Math.max(1, Math.floor(share * frame.length)))],
    isOpen: true,
  });
  answer.catch(() => undefined);
  await sleep(10);
  client.close();
};
