import { startCli } from '../../test/support/cli.ts';
import { anonymousBytes, cpuSeconds } from '../../test/support/process-usage.ts';
import type { MemoryShard } from '../memory-shards/shards.ts';

/** An `otelfan query` as it is deployed, with its default settings. */
export interface QueryUnderTest {
  /** Base URL of the read API. */
  readonly api: string;
  /** So far. */
  cpuSeconds(): number;
  anonymousBytes(): number;
  stop(): Promise<void>;
}

/** @param profileDir - folder for a CPU profile of the process, written when it ends */
export async function startQueryUnderTest(
  shards: readonly MemoryShard[],
  profileDir?: string,
): Promise<QueryUnderTest> {
  const topology = { version: 1, shards: shards.map(({ id, url }) => ({ id, otlp: url, read: url })) };
  const cli = await startCli(['query', '--api-port', '0'], {
    OTELFAN_TOPOLOGY: JSON.stringify(topology),
    OTELFAN_LOG_LEVEL: 'error',
    ...(profileDir !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` }),
  });
  return {
    api: cli.addresses.api ?? '',
    cpuSeconds: () => cpuSeconds(cli.pid),
    anonymousBytes: () => anonymousBytes(cli.pid),
    async stop() {
      const exitCode = await cli.stop();
      if (exitCode !== 0) throw new Error(`the proxy ended with ${exitCode}: ${cli.stderr()}`);
    },
  };
}
