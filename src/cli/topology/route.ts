import { nameKey, traceKey } from '../../shared/topology/shard-key.ts';
import { ownerOf } from '../../shared/topology/topology.ts';
import { previousTopology } from '../compose/known-topology.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { renderTable } from '../table.ts';
import type { TopologyTaskInput } from './task.ts';

/** `otelfan topology route`: who owns a key now, and who did under the versions that still hold data. */
export function routeKey(input: TopologyTaskInput): number {
  const { hash, known, io, parsed } = input;
  const { topology, previous } = known;
  const slot = hash.slot(keyOf(input));
  const owners = [topology, ...previous.map(earlier => previousTopology(earlier, topology, hash))].map(
    version => ({ version: version.version, shard: ownerOf(version, slot).id }),
  );
  const stateOf = (id: string) => topology.all.find(shard => shard.id === id)?.state ?? '';
  const [owner, ...before] = owners as [(typeof owners)[number], ...typeof owners];
  if (parsed.isSet('json')) {
    const answer = { slot, version: owner.version, owner: owner.shard, previous: before };
    io.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return EXIT.ok;
  }
  const table = renderTable({
    columns: [
      { title: 'VERSION', cell: row => String(row.version), align: 'right' },
      { title: 'OWNER', cell: row => row.shard },
      { title: 'STATE', cell: row => stateOf(row.shard) },
    ],
    rows: owners,
  });
  const note =
    before.length > 0 ? 'Owners of earlier versions are worked out with the weights of today.\n' : '';
  io.stdout.write(`slot ${slot}\n\n${table}${note}`);
  return EXIT.ok;
}

const TRACE_ID = /^[0-9a-f]{32}$/i;

function keyOf({ parsed, word }: TopologyTaskInput): Buffer {
  const service = parsed.text('service');
  const metric = parsed.text('metric');
  const given = [word, service, metric].filter(key => key !== undefined);
  if (given.length !== 1) {
    throw new UserError('topology route needs one of: a trace id, --service NAME, --metric NAME', EXIT.usage);
  }
  if (word === undefined) return nameKey(given[0] as string);
  if (!TRACE_ID.test(word) || /^0+$/.test(word)) {
    throw new UserError(
      `${word} is no trace id: expected 32 hex digits that are not all 0; for a name use --service or --metric`,
      EXIT.usage,
    );
  }
  return traceKey(word);
}
