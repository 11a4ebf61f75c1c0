// How a candidate in the shadow compares with each model in use, on the images that both have judged.
import type { DifferingImage, PairCounts, ShadowRepository } from '../../storage/shadow.repository.ts';

export interface ModelComparison extends PairCounts {
  /** Images that both could analyse: all figures are of these. */
  images: number;
  /** Share on which both say the same, 0 to 1; null where there is no image. */
  agreement: number | null;
  /** Cohen's; null where both always say the same of every image, so that chance explains everything. */
  kappa: number | null;
  /** Those whose probabilities are widest apart. */
  differing: DifferingImage[];
}

export interface ComparisonReport {
  candidate: string;
  /** One for each model in use and version of it. */
  comparisons: ModelComparison[];
}

export interface ComparisonSource {
  /** Undefined where no image has been judged by a candidate of that name. */
  report(candidate: string): Promise<ComparisonReport | undefined>;
}

/** As many as a person looks at. */
const DIFFERING = 10;

export class StoredComparisons implements ComparisonSource {
  readonly #shadows: ShadowRepository;

  constructor(shadows: ShadowRepository) {
    this.#shadows = shadows;
  }

  async report(candidate: string): Promise<ComparisonReport | undefined> {
    if (!(await this.#shadows.candidates()).includes(candidate)) return undefined;
    const comparisons: ModelComparison[] = [];
    for (const counts of await this.#shadows.compare(candidate))
      comparisons.push({ ...counts, ...agreementOf(counts), differing: await this.#shadows.differing(candidate, counts.model, DIFFERING) });
    return { candidate, comparisons };
  }

  /** Of every candidate, without its images. */
  async all(): Promise<Omit<ModelComparison, 'differing'>[]> {
    const all = await Promise.all((await this.#shadows.candidates()).map((candidate) => this.#shadows.compare(candidate)));
    return all.flat().map((counts) => ({ ...counts, ...agreementOf(counts) }));
  }
}

type FourFold = Pick<PairCounts, 'bothPositive' | 'onlyCandidatePositive' | 'onlyModelPositive' | 'bothNegative'>;

/** Cohen 1960: kappa = (observed - by chance) / (1 - by chance), chance being what two with these shares of positives would agree on. */
export function agreementOf({ bothPositive, onlyCandidatePositive, onlyModelPositive, bothNegative }: FourFold): Pick<ModelComparison, 'images' | 'agreement' | 'kappa'> {
  const images = bothPositive + onlyCandidatePositive + onlyModelPositive + bothNegative;
  if (images === 0) return { images, agreement: null, kappa: null };
  const agreement = (bothPositive + bothNegative) / images;
  const candidate = (bothPositive + onlyCandidatePositive) / images;
  const model = (bothPositive + onlyModelPositive) / images;
  const chance = candidate * model + (1 - candidate) * (1 - model);
  return { images, agreement, kappa: chance === 1 ? null : (agreement - chance) / (1 - chance) };
}
