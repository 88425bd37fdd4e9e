import { loadConfig } from '../../shared/config/load.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import { movesBetween, slotCounts } from '../../shared/topology/movement.ts';
import { type Replacement, replacementOf } from '../../shared/topology/replacement.ts';
import { createTopology, specOf, type Topology } from '../../shared/topology/topology.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { percentText } from '../human.ts';
import { renderTable } from '../table.ts';
import { TOPOLOGY_EXIT, type TopologyTaskInput } from './task.ts';

/** `otelfan topology diff FILE`: what a change would move, and whether a running process would take it. */
export function diffTopology({ parsed, hash, known, word: file, io }: TopologyTaskInput): number {
  if (file === undefined)
    throw new UserError('topology diff needs a FILE with the other topology', EXIT.usage);
  const before = known.topology;
  // Only what the file says: an OTELFAN_TOPOLOGY in the environment would be compared with itself.
  const loaded = loadConfig({ file, env: {} });
  if (!loaded.ok) throw new UserError(loaded.errors.join('\n'));
  if (loaded.config.topology === undefined) throw new UserError(`${file} names no shards`);
  const after = createTopology(loaded.config.topology, hash);
  const difference = {
    fromVersion: before.version,
    toVersion: after.version,
    replacement: replacementOf(specOf(before), loaded.config.topology),
    shards: shardChanges(before, after),
    moves: movesBetween(before, after),
  };
  io.stdout.write(parsed.isSet('json') ? `${JSON.stringify(difference, null, 2)}\n` : asText(difference));
  return difference.replacement.kind === 'refused' ? TOPOLOGY_EXIT.notAll : EXIT.ok;
}

interface ShardChange {
  readonly id: string;
  /** `undefined` where the shard is not in the map. */
  readonly stateBefore: string | undefined;
  readonly stateAfter: string | undefined;
  readonly slotsBefore: number;
  readonly slotsAfter: number;
}

interface Difference {
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly replacement: Replacement;
  readonly shards: readonly ShardChange[];
  readonly moves: ReturnType<typeof movesBetween>;
}

function shardChanges(before: Topology, after: Topology): ShardChange[] {
  const ids = [...new Set([...before.all, ...after.all].map(shard => shard.id))];
  const stateIn = ({ all }: Topology, id: string) => all.find(shard => shard.id === id)?.state;
  const [slotsBefore, slotsAfter] = [slotCounts(before), slotCounts(after)];
  return ids.map(id => ({
    id,
    stateBefore: stateIn(before, id),
    stateAfter: stateIn(after, id),
    slotsBefore: slotsBefore.get(id) ?? 0,
    slotsAfter: slotsAfter.get(id) ?? 0,
  }));
}

function asText({ fromVersion, toVersion, replacement, shards, moves }: Difference): string {
  const shardTable = renderTable<ShardChange>({
    columns: [
      { title: 'SHARD', cell: row => row.id },
      { title: 'STATE', cell: row => fromTo(row.stateBefore ?? '-', row.stateAfter ?? '-') },
      { title: 'SLOTS', cell: row => fromTo(String(row.slotsBefore), String(row.slotsAfter)) },
      { title: 'SHARE', cell: row => fromTo(shareText(row.slotsBefore), shareText(row.slotsAfter)) },
    ],
    rows: shards,
  });
  const moveTable = renderTable({
    columns: [
      { title: 'FROM', cell: move => move.from },
      { title: 'TO', cell: move => move.to },
      { title: 'SLOTS', cell: move => String(move.slots), align: 'right' },
      { title: 'SHARE', cell: move => shareText(move.slots), align: 'right' },
    ],
    rows: moves,
  });
  const moved = moves.reduce((sum, move) => sum + move.slots, 0);
  const movement = moved === 0 ? 'No slot moves.\n' : `${shareText(moved)} of all keys move:\n${moveTable}`;
  return `Version ${fromTo(String(fromVersion), String(toVersion))}\n\n${shardTable}\n${movement}\n${verdict(replacement)}`;
}

function verdict(replacement: Replacement): string {
  switch (replacement.kind) {
    case 'same':
      return 'A running otelfan would see no change.\n';
    case 'accepted':
      return `A running otelfan would take it.\n${lines(replacement.warnings)}`;
    case 'refused':
      return `A running otelfan would refuse it:\n${lines(replacement.reasons)}`;
  }
}

const lines = (sentences: readonly string[]) => sentences.map(sentence => `  ${sentence}\n`).join('');
const fromTo = (before: string, after: string) => (before === after ? before : `${before} → ${after}`);
const shareText = (slots: number) => percentText(slots / SLOT_COUNT);
