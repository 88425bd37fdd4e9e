import { fork, type Serializable } from 'node:child_process';
import { once } from 'node:events';

/** A process of its own that does what it is told and answers every order, one at a time. */
export interface Child<Order, Answer> {
  readonly pid: number;
  tell(order: Order): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts a file that calls {@link obeyOrders}. */
export function forkChild<Order extends Serializable, Answer>(file: string): Child<Order, Answer> {
  const child = fork(file);
  const exited = once(child, 'exit');
  const died = exited.then(([code]) => {
    throw new Error(`${file} ended with ${String(code)}`);
  });
  // Whoever waits for an answer is told; nobody else is.
  died.catch(() => {});
  return {
    pid: child.pid as number,
    async tell(order) {
      const answered = once(child, 'message') as Promise<[Answer]>;
      child.send(order);
      return (await Promise.race([answered, died]))[0];
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** The other side; it ends when the process that started it goes away. */
export function obeyOrders<Order>(obey: (order: Order) => Serializable | Promise<Serializable>): void {
  process.on('message', async order => {
    process.send?.(await obey(order as Order));
  });
  process.on('disconnect', () => process.exit());
}
