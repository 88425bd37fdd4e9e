import { startCli } from '../../test/support/cli.ts';
import { cpuSeconds } from '../../test/support/process-usage.ts';
import { type Figures, round } from '../figures.ts';
import { askFor, createAsker } from '../load/asker.ts';
import { openSockets } from './open-sockets.ts';
import { startShardHost } from './shard-host-client.ts';

export interface QueryShot {
  readonly shards: number;
  readonly seconds: number;
}

const FEW = 1;
const USUAL = 100;
const MANY = 1000;
/** As many as a proxy answers at once. */
const CLIENTS = 16;

/**
 * What a page of spans costs the proxy, a process of its own, over shards that answer from memory: asking (a page of one
 * row), a usual page, and from a large one what each further row of an answer costs.
 */
export async function queryFigures({ shards: count, seconds }: QueryShot): Promise<Figures> {
  const host = await startShardHost({ shards: count, rows: MANY + 1 });
  const topology = { version: 1, shards: host.shards.map(({ id, url }) => ({ id, otlp: url, read: url })) };
  const proxy = await startCli(['query', '--api-port', '0'], {
    OTELFAN_TOPOLOGY: JSON.stringify(topology),
    OTELFAN_LOG_LEVEL: 'error',
    // A busy machine with all shards in one process is slow, and what is measured is CPU.
    OTELFAN_QUERY_TIMEOUT: '5m',
    OTELFAN_QUERY_FIRST_BYTE_TIMEOUT: '5m',
    OTELFAN_QUERY_IDLE_TIMEOUT: '5m',
    OTELFAN_QUERY_CONNECT_TIMEOUT: '1m',
  });
  const asker = createAsker(proxy.addresses.api ?? '', CLIENTS);
  const measure = async (limit: number, clients = 1) => {
    const ask = async () => {
      const { missing } = await asker.ask({ path: `/api/v1/traces?limit=${limit}` });
      if (missing !== '') throw new Error(`${missing} did not answer`);
    };
    await askFor(seconds / 2, clients, ask);
    const cpuBefore = cpuSeconds(proxy.pid);
    const { count: asked, p50Ms } = await askFor(seconds, clients, ask);
    return { cpuMs: (1000 * (cpuSeconds(proxy.pid) - cpuBefore)) / asked, p50Ms };
  };
  try {
    const few = await measure(FEW);
    const usual = await measure(USUAL);
    const many = await measure(MANY);
    const atOnce = await measure(USUAL, CLIENTS);
    return {
      cpu_ms_per_query_of_1: round(few.cpuMs),
      cpu_ms_per_query_of_100: round(usual.cpuMs),
      cpu_ms_per_query_of_1000: round(many.cpuMs),
      cpu_us_per_row: round((1000 * (many.cpuMs - usual.cpuMs)) / (MANY - USUAL)),
      cpu_ms_per_query_of_16_clients: round(atOnce.cpuMs),
      query_of_100_p50_ms: round(usual.p50Ms),
      query_sockets_of_16_clients: openSockets(proxy.pid),
    };
  } finally {
    await asker.close();
    await proxy.stop();
    await host.stop();
  }
}
