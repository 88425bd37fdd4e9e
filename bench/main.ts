import { parseToolFlags, refuse, wholeNumber } from '../test/support/tool-flags.ts';
import { benchDeliver } from './cases/deliver.ts';
import { benchIngest } from './cases/ingest.ts';
import { benchPartition } from './cases/partition.ts';
import { benchPath } from './cases/path.ts';
import { benchQuery, isQueryPart } from './cases/query.ts';
import { benchScale } from './cases/scale.ts';
import { benchShard } from './cases/shard.ts';
import { benchSoak } from './cases/soak.ts';
import { type Figures, writeFigures } from './figures.ts';

const USAGE = `usage: npm run bench -- partition | ingest | deliver | path | shard | query | scale | soak [flags]

  --quick              under 40 s instead of some minutes
  --minutes N          deliver: watch memory at full speed with a shard down for so long (default 0)
                       soak: how long (default 30)
  --target URL         ingest: measure another OTLP receiver, with --pid; host:port for gRPC
  --pid N              the process whose CPU, with that of its children, is counted for --target
  --transport NAME     http (default), grpc or json, for --target
  --spans N            shard: how much is stored (default 5000000; --logs and --points 2000000); growth is measured at
  --logs N               a tenth of it, or at 500 000 and 5 000 000 spans where there are more
  --points N
  --data-dir DIR       shard: keep the data there; what a folder has already is not loaded again
  --cpu-prof           shard, query: write CPU profiles of the shard while it is filled, of the proxy, to bench/results
  --only PART          query: overhead, skewed, throughput, summary, slow or memory
`;

const { positionals, values } = parseToolFlags(USAGE, {
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    target: { type: 'string' },
    pid: { type: 'string' },
    transport: { type: 'string', default: 'http' },
    spans: { type: 'string' },
    logs: { type: 'string' },
    points: { type: 'string' },
    'data-dir': { type: 'string' },
    'cpu-prof': { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

const { quick } = values;
const CASES: Readonly<Record<string, () => Promise<Figures>>> = {
  partition: () => benchPartition({ quick }),
  ingest: () => benchIngest({ quick, ...targetOf() }),
  deliver: () => benchDeliver({ quick, minutes: minutesOr(0) }),
  path: () => benchPath({ quick }),
  query: () => benchQuery({ quick, only: partOf(values.only), cpuProf: values['cpu-prof'] }),
  scale: () => benchScale({ quick }),
  soak: () => benchSoak({ quick, minutes: minutesOr(30) }),
  shard: () =>
    benchShard({
      quick,
      spans: countOf('spans'),
      logs: countOf('logs'),
      points: countOf('points'),
      dataDir: values['data-dir'],
      cpuProf: values['cpu-prof'],
    }),
};

function minutesOr(usual: number): number {
  return values.minutes === undefined ? usual : wholeNumber('minutes', values.minutes, USAGE);
}

function countOf(flag: 'spans' | 'logs' | 'points'): number | undefined {
  const text = values[flag];
  if (text === undefined) return undefined;
  return /^[1-9]\d{0,9}$/.test(text)
    ? Number(text)
    : refuse(`--${flag} ${text}: expected a whole number from 1`, USAGE);
}

function partOf(text: string | undefined) {
  if (text === undefined || isQueryPart(text)) return text;
  return refuse(`--only ${text}: expected overhead, skewed, throughput, summary, slow or memory`, USAGE);
}

function targetOf() {
  const { target: url, transport } = values;
  if (url === undefined) return {};
  if (transport !== 'http' && transport !== 'grpc' && transport !== 'json') {
    return refuse(`--transport ${transport}: expected http, grpc or json`, USAGE);
  }
  if (values.pid === undefined)
    return refuse('--target needs --pid, the process whose CPU is counted', USAGE);
  return { target: { url, pid: wholeNumber('pid', values.pid, USAGE), transport } } as const;
}

const [name = ''] = positionals;
const run = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
if (run === undefined) refuse(`${name || 'no case'}: expected ${Object.keys(CASES).join(', ')}`, USAGE);
const figures = await run();
console.log(`written to ${writeFigures(name, figures)}`);
console.log(JSON.stringify({ case: name, ...figures }));
