// Candidates in /metrics: how each compares with the models in use.
import { Gauge, type Registry } from 'prom-client';
import type { ModelComparison } from './comparison.ts';

type Figures = Omit<ModelComparison, 'differing'>;

const PAIR = ['candidate', 'candidate_version', 'model', 'model_version'];
/** A comparison reads every image that a candidate has judged, and changes little from one request of Prometheus to the next. */
const FRESH_MILLISECONDS = 60_000;

/** While Postgres is away, the gauges are left out. */
export function observeComparisons(registry: Registry, comparisons: () => Promise<Figures[]>, now: () => number = Date.now): void {
  let asked: { at: number; answer: Promise<Figures[]> } | undefined;
  const last = (): Promise<Figures[]> => {
    if (asked === undefined || now() - asked.at >= FRESH_MILLISECONDS)
      asked = {
        at: now(),
        answer: comparisons().catch(() => {
          asked = undefined;
          return [];
        }),
      };
    return asked.answer;
  };
  const gauge = (name: string, help: string, valueOf: (of: Figures) => number | null): void => {
    new Gauge({
      name, help, labelNames: PAIR, registers: [registry],
      async collect() {
        const figures = await last();
        this.reset();
        for (const of of figures) {
          const value = valueOf(of);
          if (value !== null) this.set({ candidate: of.candidate.name, candidate_version: of.candidate.version, model: of.model.name, model_version: of.model.version }, value);
        }
      },
    });
  };
  gauge('hilum_shadow_images', 'Images that a candidate and a model in use both judged', ({ images }) => images);
  gauge('hilum_shadow_agreement', 'Share of them on which both say the same', ({ agreement }) => agreement);
  gauge('hilum_shadow_kappa', "Cohen's kappa of the two", ({ kappa }) => kappa);
  gauge('hilum_shadow_probability_difference', 'Mean probability of the candidate minus that of the model', ({ meanDifference }) => meanDifference);
  gauge('hilum_shadow_probability_correlation', "Pearson's correlation of the two probabilities", ({ correlation }) => correlation);
}
