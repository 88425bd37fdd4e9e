import { ageText, bytesText, countText, percentText } from '../human.ts';
import { type Column, renderTable } from '../table.ts';
import type { HotKey } from './hot-keys.ts';
import { type Overview, recordsOf, type ShardLine } from './overview.ts';

const MAX_HOT_KEYS = 10;

/** The overview for people. */
export function overviewText({ version, shards, queueError, ...hot }: Overview, nowMs: number): string {
  const columns = queueError === undefined ? [...MAP_COLUMNS, ...queueColumns(nowMs)] : MAP_COLUMNS;
  const parts = [`Topology, version ${version}:\n${renderTable({ columns, rows: shards })}`];
  const held = shards.filter(shard => shard.state === 'held');
  if (held.length > 0) parts.push(held.map(heldText).join(''));
  if (queueError !== undefined) parts.push(`Nothing is known of the queue: ${queueError}\n`);
  parts.push(hotKeysText(hot));
  return parts.join('\n');
}

const MAP_COLUMNS: readonly Column<ShardLine>[] = [
  { title: 'SHARD', cell: row => row.id },
  { title: 'KIND', cell: row => row.kind ?? '-' },
  { title: 'STATE', cell: row => row.state },
  { title: 'WEIGHT', cell: row => String(row.weight ?? '-'), align: 'right' },
  { title: 'SLOTS', cell: row => String(row.slots), align: 'right' },
  { title: 'SHARE', cell: row => percentText(row.share), align: 'right' },
];

function queueColumns(nowMs: number): readonly Column<ShardLine>[] {
  const oldest = ({ queue }: ShardLine) =>
    queue?.oldestAcceptedAtMs === undefined ? '-' : ageText(nowMs - queue.oldestAcceptedAtMs);
  return [
    { title: 'ACCEPTED', cell: row => percentText(row.acceptedShare ?? 0), align: 'right' },
    { title: 'RECORDS', cell: ({ queue }) => String(queue ? recordsOf(queue.accepted) : 0), align: 'right' },
    { title: 'QUEUED', cell: ({ queue }) => String(queue?.batches ?? 0), align: 'right' },
    { title: 'BYTES', cell: ({ queue }) => bytesText(queue?.sizeBytes ?? 0), align: 'right' },
    { title: 'OLDEST', cell: oldest, align: 'right' },
    { title: 'DEAD', cell: ({ queue }) => String(queue?.deadBatches ?? 0), align: 'right' },
  ];
}

function heldText({ id, queue }: ShardLine): string {
  return `Shard ${id} is not in the topology; ${countText(queue?.batches ?? 0, 'batch')} for it wait until it is back, or until: otelfan topology reroute ${id}\n`;
}

function hotKeysText({ hotKeys, hotKeysError }: Pick<Overview, 'hotKeys' | 'hotKeysError'>): string {
  if (hotKeysError !== undefined)
    return `Hottest keys: ${hotKeysError}\n  Where ingest tells its metrics elsewhere: --ingest-metrics URL\n`;
  if (hotKeys === undefined || hotKeys.length === 0) return 'Hottest keys: none seen yet\n';
  const table = renderTable<HotKey>({
    columns: [
      { title: 'SIGNAL', cell: row => row.signal },
      { title: 'KEY', cell: row => row.key, maxWidth: 64 },
      { title: 'SHARD', cell: row => row.shard },
      { title: 'RECORDS', cell: row => `~${row.records}`, align: 'right' },
    ],
    rows: hotKeys.slice(0, MAX_HOT_KEYS),
  });
  return `Hottest keys of the last minute or so, estimated from a sample, in the ingest that was asked:\n${table}`;
}
