import type { Place } from './admission.ts';
import { type Refusal, refuse } from './door.ts';
import { GatheredBytes } from './gathered-bytes.ts';

/**
 * The bytes of one body while they arrive, counted against the request's own limit and the memory of the process
 * before they are kept. A body of known size takes its memory at once: it is refused before it is read, and then
 * filled into the one buffer it stays in.
 */
export class BodyBytes {
  /** `undefined` when it is not known. */
  readonly #sizeBytes: number | undefined;
  readonly #maxBytes: number;
  readonly #place: Place;
  /** Of a body of unknown size. */
  readonly #gathered = new GatheredBytes();
  #whole: Buffer | undefined;
  #filledBytes = 0;

  private constructor(place: Place, maxBytes: number, sizeBytes: number | undefined) {
    this.#place = place;
    this.#maxBytes = maxBytes;
    this.#sizeBytes = sizeBytes;
  }

  static start(place: Place, maxBytes: number, sizeBytes?: number): BodyBytes | Refusal {
    if (sizeBytes !== undefined) {
      const refusal = sizeBytes > maxBytes ? tooLarge(sizeBytes, maxBytes) : place.take(sizeBytes);
      if (refusal !== undefined) return refusal;
    }
    return new BodyBytes(place, maxBytes, sizeBytes);
  }

  get filledBytes(): number {
    return this.#filledBytes;
  }

  /** Of a body of known size, never more than is missing. */
  add(chunk: Buffer): Refusal | undefined {
    if (this.#sizeBytes === undefined) return this.#addUnsized(chunk);
    if (this.#whole === undefined) {
      const isWhole = chunk.length === this.#sizeBytes && chunk.buffer.byteLength === chunk.length;
      this.#whole = isWhole ? chunk : this.#place.allocate(this.#sizeBytes);
      if (isWhole) {
        this.#filledBytes = chunk.length;
        return undefined;
      }
    }
    this.#filledBytes += chunk.copy(this.#whole, this.#filledBytes);
    return undefined;
  }

  #addUnsized(chunk: Buffer): Refusal | undefined {
    const sizeBytes = this.#filledBytes + chunk.length;
    if (sizeBytes > this.#maxBytes) return tooLarge(sizeBytes, this.#maxBytes);
    const refusal = this.#place.take(chunk.length);
    if (refusal !== undefined) return refusal;
    this.#filledBytes = sizeBytes;
    this.#gathered.add(chunk);
    return undefined;
  }

  whole(): Buffer {
    return this.#whole ?? this.#gathered.whole();
  }
}

export function tooLarge(sizeBytes: number, maxBytes: number): Refusal {
  return refuse(
    'tooLarge',
    `request of at least ${sizeBytes} bytes is over the limit of ${maxBytes} (ingest.maxRequestBytes)`,
  );
}
