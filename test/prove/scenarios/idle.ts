import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BOTH_QUEUES, type Scenario } from '../scenario.ts';

const CONNECTIONS = 2000;
/** Of those that are being made at a time. */
const AT_ONCE = 50;

/** Connections on which nothing comes, or half a request head, cost the senders nothing. */
export const idleScenario: Scenario = {
  name: '2 000 idle connections',
  queues: BOTH_QUEUES,
  async run(trial) {
    const ports = trial.site.doors.flatMap(({ http, grpc }) =>
      [http, grpc].map(url => Number(new URL(url).port)),
    );
    const sockets: Socket[] = [];
    try {
      while (sockets.length < CONNECTIONS) {
        const group = Array.from({ length: AT_ONCE }, (_, index) =>
          connect(ports[index % ports.length] as number, '127.0.0.1'),
        );
        sockets.push(...group);
        await Promise.all(group.map(socket => once(socket, 'connect')));
        for (const [index, socket] of group.entries()) {
          socket.on('error', () => {});
          if (index % 3 === 0) socket.write('POST /v1/traces HTTP/1.1\r\nhost: idle\r\n');
        }
      }
      trial.note(`${sockets.length} connections are open and idle`);
      const refusedBefore = trial.refusals().length;
      await trial.flow(300);
      trial.check(
        trial.refusals().length === refusedBefore,
        `senders were refused: ${JSON.stringify(trial.refusals())}`,
      );
      trial.note(`${sockets.filter(socket => !socket.closed).length} of them are still open`);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  },
};
