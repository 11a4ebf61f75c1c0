// What /metrics tells (Prometheus). Labels are names from the settings and statuses, never patients or studies.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface GatewayState {
  /** Instances durable and not yet in the index. */
  backlog(): number;
  associations(): number;
  queues(): Promise<{ queue: string; waiting: number; active: number }[]>;
  deliveries(): Promise<{ destination: string; state: string; count: number }[]>;
}

export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    associations: new Counter({ name: 'hilum_associations_total', help: 'Associations by outcome', labelNames: ['outcome'], registers }),
    stored: new Counter({ name: 'hilum_cstore_total', help: 'C-STORE requests answered, by DIMSE status', labelNames: ['status'], registers }),
    dimseOperations: new Counter({ name: 'hilum_dimse_total', help: 'DIMSE requests but C-STORE answered, by command and last status', labelNames: ['command', 'status'], registers }),
    dimseSeconds: new Histogram({ name: 'hilum_dimse_seconds', help: 'From DIMSE request to last response', labelNames: ['command'], buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600], registers }),
    storedBytes: new Counter({ name: 'hilum_cstore_bytes_total', help: 'Bytes received by C-STORE', registers }),
    storeSeconds: new Histogram({ name: 'hilum_cstore_seconds', help: 'From C-STORE request to response', buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30], registers }),
    indexed: new Counter({ name: 'hilum_indexed_total', help: 'Instances indexed, by outcome', labelNames: ['outcome'], registers }),
    shadowAnalyses: new Counter({ name: 'hilum_shadow_analyses_total', help: 'Analyses by candidates in the shadow, by model and status', labelNames: ['model', 'status'], registers }),
    analyses: new Counter({ name: 'hilum_analyses_total', help: 'Analyses by model and status', labelNames: ['model', 'status'], registers }),
    severities: new Counter({ name: 'hilum_severity_total', help: 'Positive images whose lungs were measured, or not', labelNames: ['outcome'], registers }),
    inferenceMilliseconds: new Histogram({ name: 'hilum_inference_milliseconds', help: 'Time of an analysis', labelNames: ['model'], buckets: [5, 10, 25, 50, 100, 250, 500, 1000, 5000], registers }),
    deliveryTries: new Counter({ name: 'hilum_delivery_tries_total', help: 'Tries to deliver a result, by outcome', labelNames: ['destination', 'outcome'], registers }),
    deliverySeconds: new Histogram({ name: 'hilum_delivery_seconds', help: 'From stored result to delivered', labelNames: ['destination'], buckets: [0.5, 1, 5, 15, 60, 300, 3600, 86400], registers }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Gauges are asked when somebody looks; while Postgres is away, those that need it are left out. */
export function observe(metrics: Metrics, state: GatewayState): void {
  const registers = [metrics.registry];
  new Gauge({ name: 'hilum_journal_instances', help: 'Instances durable and not yet indexed', registers, collect() { this.set(state.backlog()); } });
  new Gauge({ name: 'hilum_associations_open', help: 'Associations open now', registers, collect() { this.set(state.associations()); } });
  new Gauge({
    name: 'hilum_jobs', help: 'Jobs by queue and state', labelNames: ['queue', 'state'], registers,
    async collect() {
      this.reset();
      for (const { queue, waiting, active } of await state.queues().catch(() => [])) {
        this.set({ queue, state: 'waiting' }, waiting);
        this.set({ queue, state: 'active' }, active);
      }
    },
  });
  new Gauge({
    name: 'hilum_deliveries', help: 'Deliveries by destination and state', labelNames: ['destination', 'state'], registers,
    async collect() {
      this.reset();
      for (const { destination, state: delivery, count } of await state.deliveries().catch(() => [])) this.set({ destination, state: delivery }, count);
    },
  });
}
