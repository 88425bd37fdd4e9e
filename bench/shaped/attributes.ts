import type { Chance } from './chance.ts';
import { HOLE_VALUES } from './template.ts';

export interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export function text(key: string, stringValue: string): KeyValue {
  return { key, value: { stringValue } };
}

function integer(key: string, intValue: number): KeyValue {
  return { key, value: { intValue } };
}

/** Differ from record to record. */
const VARYING: readonly KeyValue[] = [
  text('url.path', `/v2/items/${HOLE_VALUES.digits}`),
  text('enduser.id', `user-${HOLE_VALUES.digits}`),
  integer('network.peer.port', HOLE_VALUES.small),
  integer('http.response.body.size', HOLE_VALUES.small),
  integer('thread.id', HOLE_VALUES.small),
];
const ALWAYS_VARYING = 3;

/** The same in every record of an operation, as routes, tables and function names are. */
const STEADY: readonly ((chance: Chance) => KeyValue)[] = [
  chance => text('http.request.method', pick(chance, ['GET', 'POST', 'PUT', 'DELETE'])),
  chance => text('http.route', `/v2/${pick(chance, ['items', 'users', 'orders'])}/{id}`),
  chance => integer('http.response.status_code', pick(chance, [200, 201, 204, 404])),
  () => text('url.scheme', 'https'),
  chance => text('server.address', `backend-${chance.below(40)}.svc.cluster.local`),
  () => integer('server.port', 8443),
  () => text('network.protocol.version', '1.1'),
  () => text('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0'),
  chance => text('code.function.name', `handle${pick(chance, ['Create', 'Read', 'Update', 'Delete'])}`),
  chance => text('code.file.path', `/srv/app/src/handlers/module-${chance.below(60)}.ts`),
  chance => integer('code.line.number', 10 + chance.below(400)),
  chance => text('thread.name', `worker-${chance.below(8)}`),
  chance => text('db.system.name', pick(chance, ['postgresql', 'redis', 'mongodb'])),
  chance => text('db.collection.name', `table_${chance.below(30)}`),
  chance => text('rpc.system', pick(chance, ['grpc', 'connect_rpc'])),
  chance => text('messaging.destination.name', `topic.${chance.below(25)}`),
  chance => text('feature_flag.key', `flag-${chance.below(12)}`),
  chance => text('app.region', pick(chance, ['eu-central-1', 'us-east-1', 'ap-south-1'])),
  chance => text('app.plan', pick(chance, ['free', 'team', 'enterprise'])),
  chance => ({ key: 'app.cached', value: { boolValue: chance.number() < 0.5 } }),
  chance => ({ key: 'app.sampling.ratio', value: { doubleValue: pick(chance, [0.1, 0.25, 1]) } }),
];

/** `least` to `most` attributes, three to five of which differ from record to record. */
export function attributeSet(chance: Chance, [least, most]: readonly [number, number]): KeyValue[] {
  const count = least + chance.below(most - least + 1);
  const varying = VARYING.slice(0, ALWAYS_VARYING + chance.below(VARYING.length - ALWAYS_VARYING + 1));
  const steady = shuffled(STEADY, chance).slice(0, count - varying.length);
  return [...varying, ...steady.map(attribute => attribute(chance))];
}

export function pick<T>(chance: Chance, items: readonly T[]): T {
  return items[chance.below(items.length)] as T;
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  return items
    .map(item => ({ item, at: chance.number() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
