import { collectDefaultMetrics, Registry } from 'prom-client';

/** What prom-client knows of a Node process. Every series has the label `process`, since few of them add up. */
export function createProcessRegistry(process: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry });
  return registry;
}
