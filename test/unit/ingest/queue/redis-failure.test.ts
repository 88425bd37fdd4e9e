import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../../../src/ingest/queue/redis-failure.ts';
import { PartialTransactionError } from '../../../../src/ingest/queue/script-client.ts';

const discarded = (...causes: string[]) =>
  Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
    previousErrors: causes.map(cause => new Error(cause)),
  });

describe('a failed Redis command', () => {
  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'maxmemory'],
    ['MISCONF Redis is configured to save RDB snapshots, but it is unable to persist', 'MISCONF'],
    ["READONLY You can't write against a read only replica.", 'replica'],
    ['LOADING Redis is loading the dataset in memory', 'loading'],
    ['CLUSTERDOWN Hash slot not served', 'CLUSTERDOWN'],
    ['NOREPLICAS Not enough good replicas to write.', 'min-replicas-to-write'],
    ['NOAUTH Authentication required.', 'queue.redis.url'],
  ])('changed nothing when Redis says %s', (message, word) => {
    for (const error of [new Error(message), discarded(message)]) {
      const failure = describeFailure(error);
      expect(failure.isRefusal).toBe(true);
      expect(failure.reason).toContain(word);
    }
    const atExec = message.replace(/^/, 'EXECABORT Transaction discarded because of: ');
    expect(describeFailure(new Error(atExec)).isRefusal).toBe(true);
  });

  it('changed nothing when it was never sent', () => {
    const message = "Stream isn't writeable and enableOfflineQueue options is false";
    expect(describeFailure(new Error(message))).toEqual({
      reason: 'Redis, which holds the queue, is not reachable',
      isRefusal: true,
      isReadOnly: false,
    });
  });

  it.each(['Connection is closed.', 'ERR unknown command', 'NOJOB the job was not added'])(
    'may have changed something when all that is known is %s',
    message => {
      expect(describeFailure(new Error(message)).isRefusal).toBe(false);
    },
  );

  it('may have changed something when its neighbours in a transaction went through', () => {
    expect(describeFailure(new PartialTransactionError('OOM command not allowed')).isRefusal).toBe(false);
  });

  it('is known to come from a replica, so that the connection can be made anew', () => {
    expect(describeFailure(discarded('READONLY You cannot write')).isReadOnly).toBe(true);
    expect(describeFailure(new Error('OOM command not allowed')).isReadOnly).toBe(false);
  });
});
