import { type Component, once } from '../lifecycle.ts';
import type { Hash } from './hash.ts';
import { replacementOf } from './replacement.ts';
import { createTopology, specOf, type Topology, type TopologySpec } from './topology.ts';

/** Where a process gets its topology from. It may change at any time: one piece of work asks once. */
export interface TopologySource extends Component {
  current(): Topology;
  /** Calls back with every topology that comes into force after this call. */
  onChange(listener: (topology: Topology) => void): void;
  /** Looks at the configuration now. What is wrong with it is an outcome; the topology in force then stays. */
  reload(): Promise<ReloadOutcome>;
}

export type ReloadOutcome =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'changed';
      readonly from: Topology;
      readonly to: Topology;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] };

/** A topology that never changes. */
export function fixedTopology(topology: Topology): TopologySource {
  return {
    current: () => topology,
    onChange: () => {},
    reload: () => Promise.resolve({ kind: 'unchanged' }),
    stop: () => Promise.resolve(),
  };
}

export interface WatchedTopologyOptions {
  readonly initial: Topology;
  readonly hash: Hash;
  /** The text of the file; rejects when it cannot be read. */
  readonly read: () => Promise<string>;
  /** What a text says, or why it says nothing usable. */
  readonly parse: (text: string) => TopologySpec | { readonly errors: readonly string[] };
  /** Told what came of each `reload`, and once of each text that changed something or was refused. */
  readonly report: (outcome: ReloadOutcome) => void;
  /** Pause between looks at the file. */
  readonly intervalMs: number;
}

/**
 * A topology that follows a file. The file is read again and again and its text compared: that notices every way of
 * changing it (in place, by rename, by the symbolic links of a Kubernetes ConfigMap, on file systems without events).
 * A text counts when two looks in a row agree on it, so that half of a file that is being written is not taken for
 * the whole; `reload` takes it at once.
 */
export function watchTopology(options: WatchedTopologyOptions): TopologySource {
  const { hash, parse, report } = options;
  const listeners: ((topology: Topology) => void)[] = [];
  let current = options.initial;
  let lastSeen: string | undefined;
  let lastConsidered: string | undefined;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  function outcomeOf(text: string): ReloadOutcome {
    const spec = parse(text);
    if ('errors' in spec) return { kind: 'refused', reasons: spec.errors };
    const replacement = replacementOf(specOf(current), spec);
    switch (replacement.kind) {
      case 'same':
        return { kind: 'unchanged' };
      case 'refused':
        return replacement;
      case 'accepted': {
        const { warnings } = replacement;
        return { kind: 'changed', from: current, to: createTopology(spec, hash), warnings };
      }
    }
  }

  /** Nothing is awaited between the comparison and the change, so looks and reloads cannot overtake each other. */
  function consider({ text, failure }: Seen): ReloadOutcome {
    if (text === undefined) return { kind: 'refused', reasons: [failure] };
    const outcome = outcomeOf(text);
    if (outcome.kind === 'changed') {
      current = outcome.to;
      for (const listener of listeners) listener(current);
    }
    return outcome;
  }

  async function look(): Promise<void> {
    const seen = await seenBy(options.read);
    if (isStopped) return;
    const key = seen.text ?? seen.failure;
    if (key === lastSeen && key !== lastConsidered) {
      lastConsidered = key;
      const outcome = consider(seen);
      if (outcome.kind !== 'unchanged') report(outcome);
    }
    lastSeen = key;
    timer = setTimeout(() => void look(), options.intervalMs);
  }

  void look();
  return {
    current: () => current,
    onChange: listener => void listeners.push(listener),
    async reload() {
      const seen = await seenBy(options.read);
      if (isStopped) return { kind: 'unchanged' };
      lastConsidered = seen.text ?? seen.failure;
      const outcome = consider(seen);
      report(outcome);
      return outcome;
    },
    stop: once(() => {
      isStopped = true;
      clearTimeout(timer);
      return Promise.resolve();
    }),
  };
}

type Seen =
  | { readonly text: string; readonly failure?: undefined }
  | { readonly text?: undefined; readonly failure: string };

async function seenBy(read: () => Promise<string>): Promise<Seen> {
  try {
    return { text: await read() };
  } catch (error) {
    return { failure: `the configuration cannot be read: ${(error as Error).message}` };
  }
}
