import { readFileSync } from 'node:fs';
import { eventually, get } from '../../test/support/read-api.ts';
import { startUp, temporaryFolder } from '../../test/support/systems.ts';
import type { Figures } from '../figures.ts';
import { tracesRequest } from '../traces.ts';

const SPANS = 512;
const SENDERS = 4;
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

/** The whole path on one machine: durable OTLP/HTTP acknowledgements from `otelfan up`, then until all of it is stored. */
export async function benchPath({ quick }: { quick: boolean }): Promise<Figures> {
  const count = quick ? 200 : 1000;
  const requests = Array.from({ length: count }, (_, seed) =>
    tracesRequest({ spans: SPANS, spansPerTrace: 10, seed }),
  );
  const folder = await temporaryFolder();
  const system = await startUp(folder.path);
  try {
    const cpuBefore = cpuSeconds(system.process.pid);
    const startMs = performance.now();
    let sent = 0;
    const send = async () => {
      for (let body = requests[sent++]; body !== undefined; body = requests[sent++]) {
        const response = await fetch(`${system.http}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf' },
          body,
        });
        if (response.status !== 200) throw new Error(`answered ${response.status}`);
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, send));
    const acknowledgedSeconds = (performance.now() - startMs) / 1000;
    const spans = count * SPANS;
    await eventually(
      () => get(system.api, 'services'),
      ({ body }) => (body.services as { span_count: number }[])[0]?.span_count === spans,
      300_000,
    );
    const storedSeconds = (performance.now() - startMs) / 1000;
    const figures = {
      spans,
      acknowledged_spans_per_second: Math.round(spans / acknowledgedSeconds),
      stored_spans_per_second: Math.round(spans / storedSeconds),
      router_cpu_us_per_span: Number(
        (((cpuSeconds(system.process.pid) - cpuBefore) * 1e6) / spans).toFixed(2),
      ),
    };
    for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(30)} ${value}`);
    return figures;
  } finally {
    await system.stop();
    await folder.remove();
  }
}

/** User and system time of a process so far, from the operating system. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
