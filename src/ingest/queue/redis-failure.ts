import { PartialTransactionError } from './script-client.ts';

/** What to make of a command that failed. */
export interface RedisFailure {
  /** For senders and logs. */
  readonly reason: string;
  /** True when the command, or the transaction that it ended, certainly changed nothing. */
  readonly isRefusal: boolean;
  /** True when the server is a replica, as the master is after a fail-over. */
  readonly isReadOnly: boolean;
}

/** Error codes with which Redis refuses a command before running it, and what they mean to an operator. */
const REFUSALS: Readonly<Record<string, string>> = {
  OOM: 'is full (maxmemory)',
  MISCONF: 'cannot write to its disk and takes no writes until it can (MISCONF)',
  READONLY: 'is a read-only replica',
  NOREPLICAS: 'has fewer replicas than min-replicas-to-write asks for',
  LOADING: 'is still loading its data',
  MASTERDOWN: 'is a replica that lost its master',
  CLUSTERDOWN: 'is a cluster that does not serve all its slots (CLUSTERDOWN)',
  BUSY: 'is busy with a script of somebody else',
  NOAUTH: 'wants a password; it belongs into queue.redis.url',
  WRONGPASS: 'does not accept the password in queue.redis.url',
  NOPERM: 'does not allow its user what the queue needs',
};

/** What ioredis says of a command that it did not send. */
const NEVER_SENT = /enableOfflineQueue options is false/;

export function describeFailure(error: unknown): RedisFailure {
  if (!(error instanceof Error)) return unclear(String(error));
  const code = error instanceof PartialTransactionError ? undefined : refusalCode(error);
  if (code !== undefined) {
    const reason = `Redis, which holds the queue, ${REFUSALS[code]}`;
    return { reason, isRefusal: true, isReadOnly: code === 'READONLY' };
  }
  if (NEVER_SENT.test(error.message)) return { reason: UNREACHABLE, isRefusal: true, isReadOnly: false };
  const isLost = error.name === 'MaxRetriesPerRequestError' || error.message === 'Connection is closed.';
  return unclear(isLost ? 'the connection was lost' : error.message);
}

export const UNREACHABLE = 'Redis, which holds the queue, is not reachable';

function unclear(what: string): RedisFailure {
  return { reason: `Redis, which holds the queue, failed: ${what}`, isRefusal: false, isReadOnly: false };
}

/** The code of the refusal, which for a transaction is that of the command that made Redis discard it. */
function refusalCode(error: Error): string | undefined {
  const causes = 'previousErrors' in error ? (error.previousErrors as readonly Error[]) : [];
  const isDiscarded = error.message.startsWith('EXECABORT');
  for (const { message } of isDiscarded ? [...causes, error] : [error]) {
    const code = /^(?:EXECABORT Transaction discarded because of: )?([A-Z]+) /.exec(message)?.[1];
    if (code !== undefined && code in REFUSALS) return code;
  }
  return undefined;
}
