import cluster from 'node:cluster';
import { createServer } from 'node:net';
import { forkWorker } from '../../src/cli/compose/worker-process.ts';

/*
 * A primary and its only worker, which listens and is killed. Node does not tell the end of the channel here, as it does
 * not when a connection was on its way to the worker and the process is heard to have ended before the channel is.
 */
if (cluster.isWorker) {
  createServer().listen(0, '127.0.0.1');
} else {
  const worker = forkWorker({
    online: () => {
      throw new Error('the worker told something');
    },
    listening: () => {},
    enqueued: () => {},
    ended: () => {},
  });
  cluster.once('listening', ({ process }) => {
    process.disconnect = () => {};
    worker.kill();
  });
}
