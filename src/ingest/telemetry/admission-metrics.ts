import type { LoopDelay } from '../../shared/loop-delay.ts';
import type { Admission } from '../../shared/otlp/admission.ts';
import type { Metrics } from './metrics.ts';
import type { Telemetry } from './telemetry.ts';

interface AdmissionMetricsOptions {
  readonly admission: Admission;
  readonly loopDelay: LoopDelay;
  readonly process: string;
}

export function admissionMetrics(options: AdmissionMetricsOptions): (metrics: Metrics) => void {
  const { admission, loopDelay, process } = options;
  return metrics => {
    metrics.otelfan_bytes_in_flight.set({ process }, admission.bytes());
    metrics.otelfan_requests_in_flight.set({ process }, admission.requests());
    metrics.otelfan_event_loop_delay_seconds.set({ process }, loopDelay.meanMs() / 1000);
  };
}

/** Counts what admission turned away, by why. */
export function countRefusals(telemetry: Telemetry) {
  const { otelfan_admission_refused_total: refused } = telemetry.metrics;
  const add = (reason: string) => refused.inc({ process: telemetry.process, reason });
  return {
    add,
    /** The same reason, counted whenever it is one. */
    counted(reason: string, why: () => string | undefined): () => string | undefined {
      return () => {
        const text = why();
        if (text !== undefined) add(reason);
        return text;
      };
    },
  };
}
