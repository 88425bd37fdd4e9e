/** What is fuzzed, and what must hold for every input. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs to begin with, valid ones above all: mutations of them get further than noise. */
  readonly seeds: readonly Buffer[];
  /** Pieces that are put into inputs. */
  readonly dictionary: readonly Buffer[];
  open(): Promise<OpenTarget>;
}

export interface OpenTarget {
  /** Throws, or rejects, when something does not hold. Returns no promise where nothing is waited for. */
  check(input: Buffer): void | Promise<void>;
  close(): Promise<void>;
}

/** A target that has nothing to open. */
export function plainTarget(
  parts: Omit<FuzzTarget, 'open' | 'dictionary'> & {
    readonly check: OpenTarget['check'];
    readonly dictionary?: readonly string[];
  },
): FuzzTarget {
  const { check, dictionary = [], ...rest } = parts;
  return {
    ...rest,
    dictionary: texts(...dictionary),
    open: () => Promise.resolve({ check, close: () => Promise.resolve() }),
  };
}

export function texts(...inputs: readonly string[]): Buffer[] {
  return inputs.map(text => Buffer.from(text));
}
