import { parseArgs } from 'node:util';
import { benchDeliver } from './cases/deliver.ts';
import { benchIngest } from './cases/ingest.ts';
import { benchPartition } from './cases/partition.ts';
import { benchPath } from './cases/path.ts';
import { type Figures, writeFigures } from './figures.ts';

const USAGE = `usage: npm run bench -- partition | ingest | deliver | path [flags]

  --quick              under 40 s instead of some minutes
  --minutes N          deliver: watch memory at full speed with a shard down for so long (default 0)
  --target URL         ingest: measure another OTLP receiver, with --pid; host:port for gRPC
  --pid N              the process whose CPU, with that of its children, is counted for --target
  --transport NAME     http (default), grpc or json, for --target
`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '0' },
    target: { type: 'string' },
    pid: { type: 'string' },
    transport: { type: 'string', default: 'http' },
  },
});

const { quick } = values;
const CASES: Readonly<Record<string, () => Promise<Figures>>> = {
  partition: () => benchPartition({ quick }),
  ingest: () => benchIngest({ quick, ...targetOf() }),
  deliver: () => benchDeliver({ quick, minutes: Number(values.minutes) }),
  path: () => benchPath({ quick }),
};

function targetOf() {
  const { target: url, transport } = values;
  if (url === undefined) return {};
  if (transport !== 'http' && transport !== 'grpc' && transport !== 'json') {
    throw new Error(`--transport ${transport}: expected http, grpc or json`);
  }
  if (values.pid === undefined) throw new Error('--target needs --pid, the process whose CPU is counted');
  return { target: { url, pid: Number(values.pid), transport } } as const;
}

const [name = ''] = positionals;
const run = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
if (run === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const figures = await run();
  console.log(`written to ${writeFigures(name, figures)}`);
  console.log(JSON.stringify({ case: name, ...figures }));
}
