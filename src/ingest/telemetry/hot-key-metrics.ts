import type { HotKey } from '../hot-keys.ts';
import type { Metrics } from './metrics.ts';

export function hotKeyMetrics(top: () => readonly HotKey[]): (metrics: Metrics) => void {
  return metrics => {
    metrics.otelfan_hot_key_records.reset();
    for (const { signal, key, shard, records } of top()) {
      metrics.otelfan_hot_key_records.set({ signal, key, shard }, records);
    }
  };
}
