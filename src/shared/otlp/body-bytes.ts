import type { Place } from './admission.ts';
import { type Refusal, refuse } from './door.ts';
import { GatheredBytes } from './gathered-bytes.ts';

/** How long nothing of a body may come, unless a door says otherwise. */
export const MAX_SILENCE_MS = 10_000;

/** What a body of known size takes with its first byte: of as many as may be in hand by default, half of the memory. */
const FIRST_BYTES = 64 * 1024;
/** What it takes after that, as a multiple of what has come: by then its sender has done a good part of the work. */
const AHEAD = 4;

/**
 * The bytes of one body while they arrive, counted against the request's own limit and the memory of the process
 * before they are kept. A body of known size that has no room is refused before it is read, but what its sender
 * declares takes no memory: its buffer grows as it comes, in so few steps that most bodies need a single one.
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
      const refusal = sizeBytes > maxBytes ? tooLarge(sizeBytes, maxBytes) : place.refusalOf(sizeBytes);
      if (refusal !== undefined) return refusal;
    }
    return new BodyBytes(place, maxBytes, sizeBytes);
  }

  get filledBytes(): number {
    return this.#filledBytes;
  }

  /** Of a body of known size, never more than is missing. */
  add(chunk: Buffer): Refusal | undefined {
    const sizeBytes = this.#sizeBytes;
    if (sizeBytes === undefined) return this.#addUnsized(chunk);
    const isWhole = chunk.length === sizeBytes && chunk.buffer.byteLength === chunk.length;
    if (isWhole) {
      const refusal = this.#place.take(sizeBytes);
      if (refusal !== undefined) return refusal;
      this.#whole = chunk;
    } else {
      const refusal = this.#reserve(this.#filledBytes + chunk.length, sizeBytes);
      if (refusal !== undefined) return refusal;
      chunk.copy(this.#whole as Buffer, this.#filledBytes);
    }
    this.#filledBytes += chunk.length;
    return undefined;
  }

  #reserve(neededBytes: number, sizeBytes: number): Refusal | undefined {
    const reservedBytes = this.#whole?.length ?? 0;
    if (neededBytes <= reservedBytes) return undefined;
    const nextBytes = Math.min(sizeBytes, Math.max(FIRST_BYTES, AHEAD * neededBytes));
    const refusal = this.#place.take(nextBytes - reservedBytes);
    if (refusal === undefined) this.#whole = this.#place.allocate(nextBytes);
    return refusal;
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
