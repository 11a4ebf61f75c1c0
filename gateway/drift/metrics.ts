// Drift in /metrics: the last check, by model, station and quantity. Stations are as many as the settings compare, so that a sender
// who makes names up cannot fill a Prometheus.
import { Gauge, type Registry } from 'prom-client';
import { ALL_STATIONS, type StoredComparison } from '../../storage/drift.repository.ts';

const PLACE = ['model', 'version', 'station'];
/** The label of all stations together: more readable than an empty one, and no device is called so. */
const ALL = '(all)';

/** While Postgres is away, the gauges are left out. */
export function observeDrift(registry: Registry, comparisons: () => Promise<StoredComparison[]>): void {
  // The gauges of one request are collected together: one query serves them all.
  let asked: Promise<StoredComparison[]> | undefined;
  const last = (): Promise<StoredComparison[]> => {
    asked ??= comparisons()
      .catch(() => [])
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  const gauge = (name: string, help: string, valueOf: (of: StoredComparison) => number): void => {
    new Gauge({
      name, help, labelNames: [...PLACE, 'quantity'], registers: [registry],
      async collect() {
        const now = await last();
        this.reset();
        for (const it of now)
          this.set({ model: it.modelName, version: it.modelVersion, station: it.station === ALL_STATIONS ? ALL : it.station, quantity: it.quantity }, valueOf(it));
      },
    });
  };
  gauge('hilum_drift_psi', 'Population stability index against the accepted distribution, at the last check', ({ psi }) => psi);
  gauge('hilum_drift_ks', 'Kolmogorov-Smirnov distance from the accepted distribution', ({ ks }) => ks);
  gauge('hilum_drift_level', 'Mean of the quantity in the window; of `positive` the share of positives', ({ level }) => level);
  gauge('hilum_drift_images', 'Images of the window that tell of the quantity', ({ images }) => images);
  gauge('hilum_drift_warning', '1 where the quantity has passed its bound', ({ drifted }) => (drifted ? 1 : 0));
}
