import type { Admission, Place } from './admission.ts';
import type { ExportOutcome, Refusal } from './door.ts';

type Accepted = Extract<ExportOutcome, { kind: 'accepted' }>;

/** What a transport does for one request that named its signal. */
interface ExportSteps {
  /** Takes the request in and has it handled. `aborted`: the client left, nobody waits for an answer. */
  readonly take: (place: Place) => Promise<ExportOutcome | 'aborted'>;
  readonly accept: (outcome: Accepted) => void;
  readonly refuse: (refusal: Refusal) => void;
}

/** One request from admission to its answer; what it held is given back whatever happens. */
export async function serveExport(
  admission: Admission,
  { take, accept, refuse }: ExportSteps,
): Promise<void> {
  const place = admission.enter();
  if (place.kind === 'refused') {
    refuse(place);
    return;
  }
  try {
    const outcome = await take(place);
    if (outcome === 'aborted') return;
    if (outcome.kind === 'refused') refuse(outcome);
    else accept(outcome);
  } finally {
    place.leave();
  }
}
