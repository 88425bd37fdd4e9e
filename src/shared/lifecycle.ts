/**
 * Something with a life: created started, ended once. `stop` may be called again and returns the same promise; it
 * finishes what was accepted, then lets go of sockets, files and timers.
 */
export interface Component {
  stop(): Promise<void>;
}

/** Stops the parts in the given order; every one is stopped even if another fails, and the first failure is thrown. */
export async function stopAll(parts: readonly Component[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) {
    try {
      await part.stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Starts what stands on `base`; when it cannot be started, `base` is stopped, so that the process can end. */
export async function startOn<T>(base: Component, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await base.stop();
    throw error;
  }
}

/** Wraps a teardown so that it runs once, whoever asks for it. */
export function once(teardown: () => Promise<void>): () => Promise<void> {
  let ended: Promise<void> | undefined;
  return () => {
    ended ??= teardown();
    return ended;
  };
}
