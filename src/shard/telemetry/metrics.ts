import { counter, gauge, type MetricSpecs } from '../../shared/telemetry/metric-spec.ts';

/** Every metric of a shard of its own, once. */
export const SHARD_METRICS = {
  otelfan_shard_writable: gauge(
    [],
    '0 or 1',
    'Whether writes are taken; where they are not, `/readyz` of the shard says why, and reads go on.',
    { alert: 'it is 0 for a minute: its data waits in the queue' },
  ),
  otelfan_shard_disk_free_bytes: gauge([], 'bytes', 'Free space on the disk of the data folder.'),
  otelfan_shard_disk_reserve_bytes: gauge(
    [],
    'bytes',
    'Free space, on the disk and in the file, below which writes are refused: `shard.minFreeBytes`.',
    { alert: '`otelfan_shard_disk_free_bytes` nears it' },
  ),
  otelfan_shard_database_bytes: gauge(
    [],
    'bytes',
    'Size of the database file. It does not shrink: what retention frees in it is used again.',
  ),
  otelfan_shard_wal_bytes: gauge(
    [],
    'bytes',
    'Size of the write-ahead log: what was stored since the last checkpoint. It is in memory, too.',
  ),
  otelfan_shard_checkpoint_bytes: gauge(
    [],
    'bytes',
    'Size of the write-ahead log from which a checkpoint is due.',
    {
      alert: '`otelfan_shard_wal_bytes` stays above three times as much: checkpoints do not come about',
    },
  ),
  otelfan_shard_maintenance_failures_total: counter(
    [],
    'rounds',
    'Rounds of maintenance (retention, checkpoints, mending a database that was given up) that failed. It goes on a second later.',
    { alert: 'its rate stays above zero: the log has the reason' },
  ),
  otelfan_shard_retention_timestamp_seconds: gauge(
    [],
    'seconds since 1970',
    'When what is past its retention was last looked for, and all of it deleted.',
    { alert: 'it is older than ten minutes: nothing is deleted, and the disk fills' },
  ),
  otelfan_build_info: gauge(['version'], '1', 'The version that runs.'),
} as const satisfies MetricSpecs;
