import { createBufferPool } from '../../src/shared/buffer-pool.ts';
import { type Admission, createAdmission } from '../../src/shared/otlp/admission.ts';

interface Marks {
  readonly bytes?: number;
  readonly requests?: number;
  readonly reasons?: readonly (() => string | undefined)[];
}

/** Admission that lets in what a test sends, except where the test sets a mark. */
export function admissionOf({
  bytes = 1_000_000_000,
  requests = 10_000,
  reasons = [],
}: Marks = {}): Admission {
  return createAdmission({
    bytesInFlight: { most: bytes, remedy: 'raise ingest.maxBytesInFlight or add replicas' },
    requests: { most: requests, remedy: 'raise ingest.maxConcurrentRequests or add replicas' },
    reasons,
    buffers: createBufferPool(1_000_000),
  });
}
