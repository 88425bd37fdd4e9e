import type { Writable } from 'node:stream';

/** Resolves when the text is out, or when nobody reads it any more, as in `otelfan get logs | head`. */
export function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    stream.once('error', ignore);
    stream.write(text, error => {
      const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
      if (error && code !== 'EPIPE') reject(error);
      else resolve();
      setImmediate(() => stream.off('error', ignore));
    });
  });
}
